package store

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
)

// growth are the sizes of a log at which it is measured: a small one, and what ten and a hundred
// organisations have in a year.
var growth = []int64{10_000, 1_000_000, 10_000_000}

// rareLeaf is how many leaves there are for each one of the kind that is looked for.
const rareLeaf = 10_000

// BenchmarkGrowth measures what a longer log costs: to append to it, to prove that a leaf is in it,
// to read its records of one kind, and to read all of its leaves, as an export does. The leaves are
// real ones, and are written past the store, which takes some minutes.
func BenchmarkGrowth(b *testing.B) {
	for range b.N {
		file := filepath.Join(b.TempDir(), "grown.db")
		s := openSQLite(b, Options{URL: "sqlite:" + file, WritesPerMinute: 1 << 30})
		ok(b, s.Mark(b.Context(), []Mark{{OrgID: acme, RepoID: repo, Number: 1}})) // an organisation
		ok(b, s.write(b.Context(), "begin", func(t *txn) error { _, err := s.ensureLog(t, acme); return err }))
		g := &grown{file: file}
		b.ReportMetric(0, "ns/op")
		for _, size := range growth {
			took := g.until(b, size)
			b.Logf("%d leaves, written in %.0f s", size, took.Seconds())
			g.measure(b, s, size)
		}
	}
}

// grown is a log that grows, with all of its hashes in memory.
type grown struct {
	file   string
	size   int64
	rare   int64         // leaves of the kind that is looked for
	hashes []ledger.Hash // in the order in which they are stored
}

func (g *grown) ReadHashes(positions []int64) ([]ledger.Hash, error) {
	out := make([]ledger.Hash, len(positions))
	for i, p := range positions {
		out[i] = g.hashes[p]
	}
	return out, nil
}

// until writes leaves until there are so many.
func (g *grown) until(b *testing.B, size int64) time.Duration {
	b.Helper()
	began := time.Now()
	db := must(sql.Open("sqlite", "file:"+g.file+"?_pragma=busy_timeout(60000)&_pragma=synchronous(OFF)&_pragma=cache_size(-500000)"))
	db.SetMaxOpenConns(1)
	defer db.Close()
	for g.size < size {
		tx := must(db.BeginTx(b.Context(), nil))
		leaf, hash := must(tx.Prepare(insertLeaf)), must(tx.Prepare(insertHash))
		for range min(size-g.size, 100_000) {
			g.append(b, leaf, hash)
		}
		root := must(ledger.Root(g.size, g))
		_, err := tx.Exec(`UPDATE log_heads SET size = $2, root = $3 WHERE org_id = $1`, acme, g.size, root[:])
		ok(b, err)
		ok(b, tx.Commit())
	}
	_, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`) // else the first appends would wait for that
	ok(b, err)
	return time.Since(began)
}

func (g *grown) append(b *testing.B, insertsLeaf, insertsHash *sql.Stmt) {
	kind := LeafObservations
	if g.size%rareLeaf == 0 {
		kind = LeafDraw
		g.rare++
	}
	salt, body := newSalt(), payload[:300]
	leaf := must(ledger.Leaf{V: ledger.LeafVersion, Kind: kind, Seq: g.size, RecordedAt: time.Unix(1_763_899_200+g.size, 0), BodySHA256: ledger.BodyDigest(salt, body)}.Encode())
	_, err := insertsLeaf.Exec(acme, g.size, leaf, salt[:], body, kind)
	ok(b, err)
	for _, h := range must(ledger.Append(g.size, leaf, g)) {
		_, err := insertsHash.Exec(acme, len(g.hashes), h[:])
		ok(b, err)
		g.hashes = append(g.hashes, h)
	}
	g.size++
}

// measure reports what is done with a log of this size, each many times at random places.
func (g *grown) measure(b *testing.B, s *Store, size int64) {
	b.Helper()
	n, random := s.Tenant(acme), rand.New(rand.NewPCG(1, uint64(size)))
	report := func(what string, times int, do func() error) {
		began := time.Now()
		for range times {
			ok(b, do())
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/float64(times), fmt.Sprintf("%s-at-%s-µs", what, strconv.FormatInt(size, 10)))
	}
	report("prove", 1000, func() error {
		index := random.Int64N(size)
		leaf, proof, of, root, err := n.Inclusion(b.Context(), index)
		if err == nil {
			err = ledger.CheckInclusion(proof, index, leaf, of, root)
		}
		return err
	})
	report("read-all", 1, func() error { return n.Leaves(b.Context(), size, func([]byte) error { return nil }) })
	report("read-one-kind", 1, func() error {
		found := int64(0)
		err := n.Records(b.Context(), size, []string{LeafDraw}, func(_, _, _ []byte) error { found++; return nil })
		if err == nil && found != g.rare {
			err = fmt.Errorf("%d records of the kind, not %d", found, g.rare)
		}
		return err
	})
	report("append", 200, func() error {
		return s.write(b.Context(), "append", func(t *txn) error {
			_, err := n.appendRecord(t, LeafObservations, time.Now(), payload[:300])
			return err
		})
	})
	info := must(os.Stat(g.file))
	b.ReportMetric(float64(info.Size())/float64(size), fmt.Sprintf("B-per-leaf-at-%d", size))
	g.catchUp(b, n)
}

// catchUp takes over the hashes of what was appended by the store.
func (g *grown) catchUp(b *testing.B, n Tenant) {
	b.Helper()
	ok(b, n.s.query(b.Context(), `SELECT hash FROM log_hashes WHERE org_id = $1 AND position >= $2 ORDER BY position`, []any{int64(acme), len(g.hashes)}, func(scan func(...any) error) error {
		var h []byte
		if err := scan(&h); err != nil {
			return err
		}
		g.hashes = append(g.hashes, ledger.Hash(h))
		return nil
	}))
	ok(b, n.s.one(b.Context(), `SELECT size FROM log_heads WHERE org_id = $1`, []any{int64(acme)}, &g.size))
}
