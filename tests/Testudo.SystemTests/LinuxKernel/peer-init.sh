#!/bin/sh
# The first process of a Linux peer (LinuxPeer.cs starts it): a user-mode Linux kernel whose root is the host's own file
# system, read-only, so that it has the host's programs and needs no image. PEER_* come from the kernel's command line.
# It obeys lines on its serial port: "N" runs PEER_IO/N.sh and answers "@@END N STATUS", the output being in PEER_IO/N.out.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
export PATH HOME
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
mkdir -p /run/io /run/netns /run/m/lib/modules
mount -t hostfs io /run/io -o "$PEER_IO"

# The kernel asks for algorithms by name when an SA needs them; its modules are not where modprobe looks.
ln -s "/usr/lib/uml/modules/$(uname -r)" /run/m/lib/modules/
# It also asks for what no module has, "rfc4106(gcm(aes))" and "-all": answering that here saves seconds.
cat >/run/modprobe <<'END'
#!/bin/sh
case "$*" in *"("* | *-all) exit 1 ;; esac
exec modprobe -d /run/m "$@"
END
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
/run/modprobe -a ipv6 xfrm_user af_key esp4 esp6 ah4 ah6 ipcomp ipcomp6 gcm ghash-generic ctr cbc hmac authenc seqiv echainiv

hostname "$PEER_NAME"
ip link set lo up
ip link set vec0 name eth0
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra
echo 0 >/proc/sys/net/ipv6/conf/eth0/router_solicitations
ip link set eth0 address "$PEER_MAC" mtu "$PEER_MTU" up
for address in $(echo "$PEER_ADDRESSES" | tr , ' '); do ip addr add "$address" dev eth0; done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding

stty raw -echo </dev/ttyS0
exec 3<>/dev/ttyS0
echo "@@READY $(uname -r)" >&3
while read -r n <&3; do
    sh "/run/io/$n.sh" </dev/null >"/run/io/$n.out" 2>&1 3>&-
    status=$?
    sync # the output goes through this kernel's page cache
    echo "@@END $n $status" >&3
done
echo o >/proc/sysrq-trigger
