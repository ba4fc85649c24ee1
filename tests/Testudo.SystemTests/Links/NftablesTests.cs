// nft scripts by the library and by the program: both apply, refuse and count alike.

using System.Diagnostics;
using Testudo.Links;
using Testudo.SystemTests.Netns;
using Xunit;

namespace Testudo.SystemTests.Links;

public sealed class NftablesTests(ITestOutputHelper output)
{
    private const string Table = """
        table inet testudo {
          counter seen { }
          counter idle { }
          chain o { type filter hook output priority 0; ip daddr 127.0.0.2 counter name seen; }
        }

        """;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_script_is_applied_whole_and_counters_are_read_by_name(bool library)
    {
        using var ns = new NetworkNamespace();
        using Nftables nft = ns.Do(() => new Nftables(library));
        Assert.Equal(library, nft.UsesLibrary);
        ns.Do(() =>
        {
            Assert.False(nft.TableExists("testudo"));
            nft.Apply(Table);
            Assert.True(nft.TableExists("testudo"));
            ns.Run("ping -c2 -i0.1 127.0.0.2");
            IReadOnlyDictionary<string, NftCounter> counters = nft.Counters("testudo");
            Assert.Equal(["idle", "seen"], counters.Keys.Order());
            Assert.Equal(new NftCounter(2, 168), counters["seen"]);
            Assert.Equal(default, counters["idle"]);
            nft.DeleteTable("testudo");
            nft.DeleteTable("testudo");
            Assert.False(nft.TableExists("testudo"));
        });
        Assert.Empty(ns.Run("nft list ruleset").Trim());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_refused_script_changes_nothing_and_has_nfts_own_words(bool library)
    {
        using var ns = new NetworkNamespace();
        using Nftables nft = ns.Do(() => new Nftables(library));
        ns.Do(() =>
        {
            NftablesException e = Assert.Throws<NftablesException>(() => nft.Apply(Table + "add chain inet nowhere x\n"));
            Assert.StartsWith("nft refused: line 6:16-22: Error: No such file or directory", e.Message, StringComparison.Ordinal);
            Assert.Contains("nowhere", e.Message, StringComparison.Ordinal);
            e = Assert.Throws<NftablesException>(() => nft.Apply("table inet testudo { chain o { typo } }\n"));
            Assert.Contains("syntax error", e.Message, StringComparison.Ordinal);
            e = Assert.Throws<NftablesException>(() => nft.Counters("testudo"));
            Assert.Contains("No such file or directory", e.Message, StringComparison.Ordinal);
            Assert.False(nft.TableExists("testudo"));
        });
        Assert.Empty(ns.Run("nft list ruleset").Trim());
    }

    [Fact]
    public void Both_ways_are_measured()
    {
        using var ns = new NetworkNamespace();
        ns.Do(() =>
        {
            foreach (bool library in (ReadOnlySpan<bool>)[true, false])
            {
                using var nft = new Nftables(library);
                nft.Apply(Table);
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < 20; i++)
                {
                    nft.Apply($"flush chain inet testudo o\nadd rule inet testudo o ip daddr 10.0.0.{i} drop\n");
                }

                double apply = Stopwatch.GetElapsedTime(start).TotalMilliseconds / 20;
                string rules = string.Concat(Enumerable.Range(0, 1000).Select(static i => $"add rule inet testudo o ip daddr 10.1.{i / 256}.{i % 256} drop\n"));
                long large = Stopwatch.GetTimestamp();
                nft.Apply("flush chain inet testudo o\n" + rules);
                double thousand = Stopwatch.GetElapsedTime(large).TotalMilliseconds;
                Assert.Equal(1000, System.Text.RegularExpressions.Regex.Count(ns.Run("nft list chain inet testudo o"), "drop"));
                start = Stopwatch.GetTimestamp();
                for (int i = 0; i < 20; i++)
                {
                    Assert.Equal(2, nft.Counters("testudo").Count);
                }

                double counters = Stopwatch.GetElapsedTime(start).TotalMilliseconds / 20;
                output.WriteLine($"{(library ? "library" : "program")}: {apply:F2} ms an apply, {thousand:F0} ms for 1000 rules, {counters:F2} ms a reading of counters");
            }
        });
    }
}
