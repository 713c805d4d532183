package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	_ "modernc.org/sqlite" // the driver "sqlite"

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
	// owner only, if it is missing. Its folder must exist.
	URL string
	// Signer signs checkpoints; nil: Checkpoint returns ErrNoSigner.
	Signer *ledger.Key
	// Verifiers check stored checkpoints: the public keys that have ever signed. The
	// verifier of Signer is added by itself.
	Verifiers []note.Verifier
	// Origin begins the name of every log: organisation 7 has the log Origin/7. Empty: the
	// name of the signer, or "countersign". A log keeps the name that it began with.
	Origin string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// NoisyInterval is the least time between the starts of two runs of a job if only noisy
	// marks ask for the second. Zero: DefaultNoisyInterval.
	NoisyInterval time.Duration
	// MaxAttempts is after how many failed runs without a new mark a job is dead. Zero:
	// DefaultMaxAttempts.
	MaxAttempts int
}

// Store is an open database.
type Store struct {
	writer    *writer
	read      *sql.DB // cannot write
	signer    *ledger.Key
	verifiers []note.Verifier
	origin    string
	now       func() time.Time
	noisy     time.Duration
	attempts  int
	wake      chan struct{}
	lastClaim atomic.Int64 // microseconds; see NextRun
	zip       zipper
}

// Open opens the database, makes it if it is missing and brings it to this program's version.
// It returns ErrNewerDatabase, with a hint, for a database that a newer program has migrated.
func Open(ctx context.Context, o Options) (*Store, error) {
	path, err := filePath(o.URL)
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	return open(ctx, path, o)
}

// OpenExisting is Open for commands that look at what is there: a database that is missing is
// not made, but gives ErrNotFound.
func OpenExisting(ctx context.Context, o Options) (*Store, error) {
	path, err := filePath(o.URL)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no database at %s\nhint: name the file that the server uses, as sqlite:PATH", ErrNotFound, path)
	case err != nil:
		return nil, fmt.Errorf("store: open database: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a file", ErrInvalid, path)
	}
	return open(ctx, path, o)
}

// filePath returns the path in a database URL.
func filePath(u string) (string, error) {
	path, ok := strings.CutPrefix(u, "sqlite:")
	if !ok || path == "" || strings.HasPrefix(path, ":memory:") {
		return "", fmt.Errorf("%w: database %q\nhint: write sqlite: and the path of a file, for example sqlite:countersign.db", ErrInvalid, redact(u))
	}
	return path, nil
}

func open(ctx context.Context, path string, o Options) (*Store, error) {
	if err := migrateFile(ctx, path); err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", dsn(path, writeParams))
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	// SQLite has one writer at a time. Waiting in our own queue is fair and never "busy".
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn(path, readParams))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(4)
	read.SetMaxIdleConns(4)
	s := newStore(o)
	s.read = read
	s.writer = startWriter(write, s.poke)
	if err := s.Ready(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func newStore(o Options) *Store {
	s := &Store{
		signer: o.Signer, verifiers: o.Verifiers, origin: o.Origin, now: o.Now,
		noisy: o.NoisyInterval, attempts: o.MaxAttempts, wake: make(chan struct{}, 1),
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
	if s.origin == "" && s.signer != nil {
		s.origin = s.signer.Name()
	}
	if s.origin == "" {
		s.origin = "countersign"
	}
	return s
}

// Close waits for the writes that have begun and closes the database. Writes that have not
// begun return ErrClosed.
func (s *Store) Close() error {
	s.writer.stop()
	// The connection that can write is closed last: SQLite then moves what is in its WAL file
	// into the database, so that the one file is all there is to copy.
	return errors.Join(s.read.Close(), s.writer.close())
}

const selectReady = `SELECT COUNT(*) FROM orgs WHERE org_id = $1`

// Ready says whether the database can be read and written now.
func (s *Store) Ready(ctx context.Context) error {
	var n int
	if err := s.read.QueryRowContext(ctx, selectReady, 0).Scan(&n); err != nil {
		return fmt.Errorf("store: read: %w", err)
	}
	return s.write(ctx, "begin a write", func(*txn) error { return nil })
}

// Wake returns a channel that receives a value after every commit that made or moved work.
// It holds one value: somebody who looks at the jobs after receiving misses nothing.
func (s *Store) Wake() <-chan struct{} { return s.wake }

func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// PRAGMAs are in the DSN because a statement would set them on one connection of the pool.
// FULL, because WAL's default of NORMAL can lose the last commits when power fails.
// SECURE_DELETE, because what is disposed of must not stay readable in the file's free pages.
// IMMEDIATE, because a transaction that reads first and writes later can be refused as busy.
const (
	writeParams = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&_txlock=immediate"
	readParams  = "mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)"
)

func dsn(path, params string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params
}

// create makes the database file if it is missing, before SQLite would make it readable by
// everybody. The WAL and shared-memory files get the mode of this one.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("store: open database: %w\nhint: the folder must exist and be writable", err)
	}
	return f.Close()
}

func migrateFile(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, writeParams))
	if err != nil {
		return fmt.Errorf("store: open %s: %w", path, err)
	}
	return errors.Join(migrate(ctx, db), db.Close())
}

// redact cuts a database URL at its scheme: what follows may hold a password.
func redact(u string) string {
	scheme, _, ok := strings.Cut(u, ":")
	if !ok {
		return "…"
	}
	return scheme + ":…"
}
