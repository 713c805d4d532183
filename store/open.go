package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/ledger"
)

// Defaults of Options.
const (
	DefaultNoisyInterval = 1200 * time.Millisecond
	DefaultMaxAttempts   = 20
)

// Options says where the data is and with what it is signed.
type Options struct {
	// URL is "sqlite:" and the path of the database file, which is made, readable by its
	// owner only, if it is missing, and whose folder must exist; or the URL of a PostgreSQL
	// database, "postgres://…", which must exist.
	URL string
	// Signer signs checkpoints; nil: Checkpoint returns ErrNoSigner.
	Signer *ledger.Key
	// Verifiers check stored checkpoints: the public keys that have ever signed. The
	// verifier of Signer is added by itself.
	Verifiers []note.Verifier
	// Origin begins the name of every log: organisation 7 has the log Origin/7. Empty: the
	// name of the signer; without one, no log begins. A log keeps the name that it began with.
	Origin string
	// AsItIs opens a database of an older version not at all, with ErrOlderDatabase, where it would
	// be brought to this program's.
	AsItIs bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// NoisyInterval is the least time between the starts of two runs of a job if only noisy
	// marks ask for the second. Zero: DefaultNoisyInterval.
	NoisyInterval time.Duration
	// MaxAttempts is after how many failed runs without a new mark a job is dead. Zero:
	// DefaultMaxAttempts.
	MaxAttempts int
	// WritesPerMinute is how often an installation may write to GitHub in a minute, over all
	// processes: all must say the same. Zero: DefaultWritesPerMinute.
	WritesPerMinute int
}

// Store is an open database.
type Store struct {
	engine    engine
	writer    *writer
	read      *sql.DB   // cannot write
	reading   sync.Map  // *sql.Stmt by its text: what read has prepared
	hearing   *listener // nil: there are no other processes to hear of
	signer    *ledger.Key
	verifiers []note.Verifier
	origin    string
	now       func() time.Time
	noisy     time.Duration
	attempts  int
	// writesPerMinute is Options.WritesPerMinute.
	writesPerMinute int

	wake      chan struct{}
	lastClaim atomic.Int64 // microseconds; see NextRun
	fitness   fitness
	zip       zipper
}

// Open opens the database, makes it if it is missing and brings it to this program's version.
// It returns ErrNewerDatabase, with a hint, for a database that a newer program has migrated.
func Open(ctx context.Context, o Options) (*Store, error) {
	if isPostgres(o.URL) {
		return openPostgres(ctx, o)
	}
	path, err := filePath(o.URL)
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	return openFile(ctx, path, o)
}

// OpenExisting is Open for commands that look at what is there: a database that is missing is
// not made, but gives ErrNotFound.
func OpenExisting(ctx context.Context, o Options) (*Store, error) {
	if err := Exists(ctx, o.URL); err != nil {
		return nil, err
	}
	return Open(ctx, o)
}

// Exists returns ErrNotFound, with a hint, if there is no database with something of ours in it.
func Exists(ctx context.Context, u string) error {
	if isPostgres(u) {
		return postgresExists(ctx, u)
	}
	return fileExists(u)
}

// open makes a store of the connections that an engine opened.
func open(ctx context.Context, write, read *sql.DB, e engine, o Options) (*Store, error) {
	// The writer is one goroutine. Waiting in its queue is fair, and SQLite is never "busy".
	write.SetMaxOpenConns(1)
	read.SetMaxOpenConns(maxReaders)
	read.SetMaxIdleConns(maxReaders)
	s := newStore(o)
	s.read, s.engine = read, e
	s.writer = startWriter(write, e, s.poke)
	if err := s.Ready(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if e.listen != nil {
		s.hearing = startListener(e.listen, s.poke)
	}
	return s, nil
}

// maxReaders is how many statements read at a time, beside the writer.
const maxReaders = 4

func newStore(o Options) *Store {
	s := &Store{
		signer: o.Signer, verifiers: o.Verifiers, origin: o.Origin, now: o.Now,
		noisy: o.NoisyInterval, attempts: o.MaxAttempts, writesPerMinute: o.WritesPerMinute, wake: make(chan struct{}, 1),
	}
	if s.signer != nil {
		s.verifiers = append([]note.Verifier{s.signer.Verifier()}, s.verifiers...)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.noisy == 0 {
		s.noisy = DefaultNoisyInterval
	}
	if s.attempts == 0 {
		s.attempts = DefaultMaxAttempts
	}
	if s.writesPerMinute == 0 {
		s.writesPerMinute = DefaultWritesPerMinute
	}
	if s.origin == "" && s.signer != nil {
		s.origin = s.signer.Name()
	}
	return s
}

// Close waits for the writes that have begun and closes the database. Writes that have not
// begun return ErrClosed.
func (s *Store) Close() error {
	s.hearing.stop()
	s.writer.stop()
	// The connection that can write is closed last: SQLite then moves what is in its WAL file
	// into the database, so that the one file is all there is to copy.
	return errors.Join(s.read.Close(), s.writer.close())
}

const selectReady = `SELECT COUNT(*) FROM orgs WHERE org_id = $1`

// Ready says whether the database can be read and written now, and whether what it says is durable
// will be.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.fit(ctx); err != nil {
		return err
	}
	var n int
	if err := s.read.QueryRowContext(ctx, selectReady, 0).Scan(&n); err != nil {
		return fmt.Errorf("store: read: %w", err)
	}
	return s.write(ctx, "begin a write", func(*txn) error { return nil })
}

// Wake returns a channel that receives a value after every commit that made or moved work, with
// PostgreSQL also after those of other processes, as long as they are heard of: whoever waits looks
// from time to time all the same.
// It holds one value: somebody who looks at the jobs after receiving misses nothing.
func (s *Store) Wake() <-chan struct{} { return s.wake }

func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// redact cuts a database URL at its scheme: what follows may hold a password.
func redact(u string) string {
	scheme, _, ok := strings.Cut(u, ":")
	if !ok {
		return "…"
	}
	return scheme + ":…"
}
