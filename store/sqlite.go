package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// fileEngine is how SQLite is written. IMMEDIATE, because a transaction that reads first and writes
// later can be refused as busy.
var fileEngine = engine{begin: []string{`BEGIN IMMEDIATE`}}

// filePath returns the path in a database URL.
func filePath(u string) (string, error) {
	path, ok := strings.CutPrefix(u, "sqlite:")
	if !ok || path == "" || strings.HasPrefix(path, ":memory:") {
		return "", fmt.Errorf("%w: database %q\nhint: write sqlite: and the path of a file, for example sqlite:countersign.db, or the URL of a PostgreSQL database, postgres://…", ErrInvalid, redact(u))
	}
	return path, nil
}

func fileExists(u string) error {
	path, err := filePath(u)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: there is no database at %s\nhint: name the file that the server uses, as sqlite:PATH", ErrNotFound, path)
	case err != nil:
		return fmt.Errorf("store: open database: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is not a file", ErrInvalid, path)
	}
	return nil
}

func openFile(ctx context.Context, path string, o Options) (*Store, error) {
	if err := migrateFile(ctx, path, o.AsItIs); err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", dsn(path, writeParams))
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	read, err := sql.Open("sqlite", dsn(path, readParams))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", path, err), write.Close())
	}
	return open(ctx, write, read, fileEngine, o)
}

// PRAGMAs are in the DSN because a statement would set them on one connection of the pool.
// FULL, because WAL's default of NORMAL can lose the last commits when power fails.
// SECURE_DELETE, because what is disposed of must not stay readable in the file's free pages.
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

func migrateFile(ctx context.Context, path string, asItIs bool) error {
	db, err := sql.Open("sqlite", dsn(path, writeParams))
	if err != nil {
		return fmt.Errorf("store: open %s: %w", path, err)
	}
	return errors.Join(migrate(ctx, db, sqliteMigrations, asItIs), db.Close())
}
