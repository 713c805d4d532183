package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrations are numbered, forward only and never edited once released. Each database has a folder
// of its own, and a change has a file of the same number in both; 21 is listAll and 23 is countAll,
// in Go.
//
//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrationFiles embed.FS

// migrations are those of one kind of database.
type migrations struct {
	dialect goose.Dialect
	folder  string
}

var (
	sqliteMigrations   = migrations{goose.DialectSQLite3, "migrations/sqlite"}
	postgresMigrations = migrations{goose.DialectPostgres, "migrations/postgres"}
)

// provider goes through the migrations in a database.
func (m migrations) provider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrationFiles, m.folder)
	if err != nil {
		return nil, fmt.Errorf("store: read migrations: %w", err)
	}
	p, err := goose.NewProvider(m.dialect, db, dir, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(goose.NewGoMigration(21, &goose.GoFunc{RunTx: listAll}, nil), goose.NewGoMigration(23, &goose.GoFunc{RunTx: countAll}, nil)))
	if err != nil {
		return nil, fmt.Errorf("store: read migrations: %w", err)
	}
	return p, nil
}

// migrate brings the database to the version of this program. It returns ErrNewerDatabase,
// and changes nothing, if the database is ahead; ErrOlderDatabase if it is behind and is to be
// opened as it is.
func migrate(ctx context.Context, db *sql.DB, m migrations, asItIs bool) error {
	p, err := m.provider(db)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("store: read database version: %w", err)
	}
	sources := p.ListSources()
	knows := sources[len(sources)-1].Version
	if have > knows {
		return fmt.Errorf("%w: it has version %d, this program knows %d\nhint: run the countersign that migrated it or a later one, or restore a backup made before",
			ErrNewerDatabase, have, knows)
	}
	if asItIs && have < knows {
		return fmt.Errorf("%w: it has version %d, this program knows %d\nhint: the next start of countersign serve brings it to that version", ErrOlderDatabase, have, knows)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate database: %w", err)
	}
	return nil
}
