package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// MaxSkew is how far the clock of this machine may be from that of PostgreSQL, and so half of how
// far those of two processes may be apart. Leases are told by these clocks: one that is ahead by
// less than what is left of a lease takes nobody's job.
const MaxSkew = 2 * time.Second

// patience is how long a batch of writes may take with PostgreSQL. Without it, a process that has
// lost its network would wait for the answer for as long as TCP does, a quarter of an hour.
const patience = 20 * time.Second

// postgresEngine is how PostgreSQL is written. All processes take one lock before they read anything,
// so that they write one after the other: see docs/decisions/0035.
func postgresEngine(u string) engine {
	self := rand.Text()
	return engine{
		// READ COMMITTED: what is read after the lock is what the last holder committed. In the
		// other levels it would be what there was when the lock was asked for.
		begin:    []string{`BEGIN ISOLATION LEVEL READ COMMITTED`, `SELECT pg_advisory_xact_lock(` + writeLock + `)`},
		patience: patience,
		tell:     `SELECT pg_notify('countersign', $1)`,
		self:     self,
		texts:    plainTexts,
		fit:      fitPostgres,
		listen:   func(ctx context.Context, heard func()) error { return listenPostgres(ctx, u, self, heard) },
	}
}

// writeLock is the number of the lock: "counters" in ASCII. Locks are apart in each database.
const writeLock = "7165074649429406323"

// What a connection asks of the server. A transaction that waits for a process that was stopped, or
// whose network is gone, must end by itself, because all others wait for its lock; so a process waits
// longer for the lock than the server waits for a process.
var (
	writeSession = map[string]string{
		"application_name": "countersign", "default_transaction_read_only": "off",
		"idle_in_transaction_session_timeout": "5s", "lock_timeout": "8s", "statement_timeout": "10s",
		"tcp_user_timeout": "10s", "tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
	}
	// An export may read one statement's rows for as long as it writes its file.
	readSession = map[string]string{
		"application_name": "countersign reading", "default_transaction_read_only": "on", "default_transaction_isolation": "read committed",
		"idle_in_transaction_session_timeout": "5s", "statement_timeout": "1h",
	}
	migrateSession = map[string]string{"application_name": "countersign migrating"}
)

// plainTexts makes text of arguments what PostgreSQL takes as text, which is UTF-8 without the
// character of number zero. Names and ids of GitHub are that; what it answered to a failed request, as
// the cause of a retry, may be anything.
func plainTexts(args []any) []any {
	for i, a := range args {
		if text, is := a.(string); is {
			args[i] = plain(text)
		}
	}
	return args
}

func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func isPostgres(u string) bool {
	return strings.HasPrefix(u, "postgres://") || strings.HasPrefix(u, "postgresql://")
}

// postgresConfig reads a URL. What is wrong with it is not said, because that might show the password.
func postgresConfig(u string, session map[string]string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(u)
	if err != nil {
		return nil, fmt.Errorf("%w: database %q\nhint: write postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full, with what is special in a URL escaped", ErrInvalid, redact(u))
	}
	// A server that is gone is noticed in about ten seconds, also by whoever only listens.
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	c.DialFunc = dialer.DialContext
	for name, value := range session {
		c.RuntimeParams[name] = value
	}
	return c, nil
}

func connectPostgres(u string, session map[string]string) (*sql.DB, error) {
	c, err := postgresConfig(u, session)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*c), nil
}

func openPostgres(ctx context.Context, o Options) (*Store, error) {
	if err := migratePostgres(ctx, o.URL, o.AsItIs); err != nil {
		return nil, err
	}
	write, err := connectPostgres(o.URL, writeSession)
	if err != nil {
		return nil, err
	}
	read, err := connectPostgres(o.URL, readSession)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return open(ctx, write, read, postgresEngine(o.URL), o)
}

const selectMigrated = `SELECT CASE WHEN to_regclass('goose_db_version') IS NULL THEN 0 ELSE 1 END`

// postgresExists returns ErrNotFound for a database that has nothing of ours in it.
func postgresExists(ctx context.Context, u string) error {
	db, err := connectPostgres(u, readSession)
	if err != nil {
		return err
	}
	var migrated int
	err = db.QueryRowContext(ctx, selectMigrated).Scan(&migrated)
	switch err = errors.Join(err, db.Close()); {
	case err != nil:
		return fmt.Errorf("store: open database: %w", err)
	case migrated == 0:
		return fmt.Errorf("%w: there is nothing of countersign's in the PostgreSQL database\nhint: name the database that the server uses, as postgres://…", ErrNotFound)
	}
	return nil
}

// migratePostgres brings the database to this program's version, while no other process writes or
// does the same. The lock ends with the connection.
func migratePostgres(ctx context.Context, u string, asItIs bool) error {
	db, err := connectPostgres(u, migrateSession)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: open database: %w\nhint: the database must exist and its owner must be the user in the URL", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock(`+writeLock+`)`); err != nil {
		return fmt.Errorf("store: lock database: %w", err)
	}
	return migrate(ctx, db, postgresMigrations, asItIs)
}

const selectFitness = `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
  current_setting('server_encoding'), CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`

// fitPostgres says why the server is not one that what was committed is safe on, or whose clock is
// not ours. The clock of this machine is asked, also when the store was given another one.
func fitPostgres(ctx context.Context, db *sql.DB) error {
	var commit, fsync, pages, encoding string
	var at int64
	before := time.Now()
	if err := db.QueryRowContext(ctx, selectFitness).Scan(&commit, &fsync, &pages, &encoding, &at); err != nil {
		return fmt.Errorf("store: read: %w", err)
	}
	after := time.Now()
	switch now := time.UnixMicro(at); {
	case commit == "off" || commit == "local":
		return fmt.Errorf("%w: synchronous_commit is %s\nhint: ALTER ROLE … RESET synchronous_commit, or set it to on", ErrUnfit, commit)
	case fsync != "on" || pages != "on":
		return fmt.Errorf("%w: fsync is %s and full_page_writes is %s, and both must be on", ErrUnfit, fsync, pages)
	case encoding != "UTF8":
		return fmt.Errorf("%w: its encoding is %s\nhint: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", ErrUnfit, encoding)
	case now.Before(before.Add(-MaxSkew)) || now.After(after.Add(MaxSkew)):
		return fmt.Errorf("%w: its clock says %s and the one here %s, more than %s apart\nhint: let NTP set both clocks", ErrUnfit, now.UTC(), after.UTC(), MaxSkew)
	}
	return nil
}

// listenPostgres calls heard after every commit of another process that made work, until the
// connection is lost.
func listenPostgres(ctx context.Context, u, self string, heard func()) error {
	c, err := postgresConfig(u, map[string]string{"application_name": "countersign listening"})
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN countersign`); err != nil {
		return err
	}
	heard() // of what was committed while nobody listened
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Payload != self {
			heard()
		}
	}
}
