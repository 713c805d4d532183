package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrations are numbered, forward only and never edited once released. They are the only
// place where the two databases may differ, so each has a folder of its own.
//
//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// migrate brings the database to the version of this program. It returns ErrNewerDatabase,
// and changes nothing, if the database is ahead.
func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return fmt.Errorf("store: read migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: read migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("store: read database version: %w", err)
	}
	sources := p.ListSources()
	if knows := sources[len(sources)-1].Version; have > knows {
		return fmt.Errorf("%w: it has version %d, this program knows %d\nhint: run the countersign that migrated it or a later one, or restore a backup made before",
			ErrNewerDatabase, have, knows)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate database: %w", err)
	}
	return nil
}
