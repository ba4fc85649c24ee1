#!/usr/bin/python3
"""scapy as a witness: opens the ESP and AH packets of a capture.

Standard input: {"capture": PATH, "sas": [{"protocol", "source", "destination", "spi", "cipher", "cipherIcv", "cipherKey",
"auth", "authKey", "tunnel"}...]}, keys in hex, the names as scapy has them. Standard output: a list of {"frame": N, "plain": HEX}, or with "error"
instead of "plain"; IPv4 fragments are put together first, and count as the last of their frames.
"""
import json
import sys

from scapy.all import IP, Ether, IPv6, PcapReader, conf, defragment
from scapy.layers.inet6 import IPv6ExtHdrFragment, defragment6
from scapy.layers.ipsec import AH, ESP, SecurityAssociation

conf.verb = 0
asked = json.load(sys.stdin)
sas = {}
for sa in asked["sas"]:
    outer = (IPv6 if ":" in sa["source"] else IP)(src=sa["source"], dst=sa["destination"])
    sas[sa["destination"], sa["spi"]] = SecurityAssociation(
        {"esp": ESP, "ah": AH}[sa["protocol"]],
        spi=sa["spi"],
        crypt_algo=sa["cipher"],
        crypt_icv_size=sa["cipherIcv"],
        crypt_key=bytes.fromhex(sa["cipherKey"]) or None,
        auth_algo=sa["auth"],
        auth_key=bytes.fromhex(sa["authKey"]) or None,
        tunnel_header=outer if sa["tunnel"] else None,
    )


waiting = {}
opened = []
for number, frame in enumerate(PcapReader(asked["capture"]), 1):
    packet = frame.payload if isinstance(frame, Ether) else frame
    if isinstance(packet, IP) and (packet.flags.MF or packet.frag):
        pieces = waiting.setdefault((packet.src, packet.dst, packet.id), [])
        pieces.append(packet)
        whole = defragment(pieces)
        if len(whole) != 1 or whole[0].flags.MF or whole[0].frag:
            continue
        packet = IP(bytes(whole[0]))
    elif isinstance(packet, IPv6) and IPv6ExtHdrFragment in packet:
        pieces = waiting.setdefault((packet.src, packet.dst, packet[IPv6ExtHdrFragment].id), [])
        pieces.append(packet)
        if packet[IPv6ExtHdrFragment].m:
            continue
        packet = IPv6(bytes(defragment6(pieces)))
    header = ESP if ESP in packet else AH if AH in packet else None
    sa = header and sas.get((packet.dst, packet[header].spi))
    if not sa:
        continue
    try:
        opened.append({"frame": number, "plain": bytes(sa.decrypt(packet)).hex()})
    except Exception as error:  # whatever scapy throws is its verdict on this packet
        opened.append({"frame": number, "error": f"{type(error).__name__}: {error}"})
json.dump(opened, sys.stdout)
