// The networks that the simulation's tests use: two hosts under transport mode, and a host behind a gateway.

using System.Buffers.Binary;
using Testudo.Simulation;
using Testudo.Tests.Checker;
using Testudo.Wire;

namespace Testudo.Tests.Sim;

internal static class Networks
{
    private const string Keys =
        """
        add 10.0.0.1 10.0.0.2 esp 0x1001 -m transport -r 64 -E aes-gcm-16 0x000102030405060708090a0b0c0d0e0f10111213;
        add 10.0.0.2 10.0.0.1 esp 0x1002 -m transport -r 64 -E aes-gcm-16 0x101112131415161718191a1b1c1d1e1f20212223;
        """;

    /// <summary>Bad in every way at once.</summary>
    public static LinkProfile Bad { get; } = new() { Loss = 0.1, Duplication = 0.1, Reordering = 0.2 };

    /// <summary>Alice and Bob, who protect everything between them.</summary>
    public static (Network Network, SimulatedHost Alice, SimulatedHost Bob, SimulatedLink Link) Pair(ulong seed, LinkProfile? profile = null)
    {
        var network = new Network(seed);
        SimulatedHost alice = network.AddHost("alice", "10.0.0.1"), bob = network.AddHost("bob", "10.0.0.2");
        SimulatedLink link = network.Connect(alice, bob, profile);
        alice.Setkey(Keys + Protect("10.0.0.1", "10.0.0.2"));
        bob.Setkey(Keys + Protect("10.0.0.2", "10.0.0.1"));
        return (network, alice, bob, link);
    }

    /// <summary>The policies of a host that protects everything to and from another one in transport mode.</summary>
    public static string Protect(string me, string other) =>
        $"""
        spdadd {me} {other} any -P out ipsec esp/transport//require;
        spdadd {other} {me} any -P in ipsec esp/transport//require;
        """;

    /// <summary>A datagram from Alice to Bob that bears a number and is as long as its number says.</summary>
    public static byte[] Numbered(int number)
    {
        byte[] payload = Build.Pattern(4 + (number * 37 % 1200), number);
        BinaryPrimitives.WriteInt32BigEndian(payload, number);
        return Build.Ipv4("10.0.0.1", "10.0.0.2").Udp(1000, 2000, payload);
    }

    /// <summary>The number that <see cref="Numbered"/> put in.</summary>
    public static int NumberOf(byte[] packet) => BinaryPrimitives.ReadInt32BigEndian(packet.AsSpan(28));

    /// <summary>One a millisecond.</summary>
    public static void SendNumbered(Network network, SimulatedHost from, int count)
    {
        for (int i = 0; i < count; i++)
        {
            byte[] packet = Numbered(i);
            network.After(TimeSpan.FromMilliseconds(i), () => from.Send(packet));
        }

        network.RunUntilQuiet();
    }

    /// <summary>Drops of all kinds but those expected.</summary>
    public static string OtherDrops(SimulatedHost host, params Drop[] expected) =>
        string.Join(' ', Enum.GetValues<Drop>().Except(expected).Where(drop => host.Dropped(drop) > 0).Select(Drops.Name));
}
