package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Backup is a copy of a database.
type Backup struct {
	Bytes  int64
	SHA256 string // of the file, lower case hex
}

const vacuumInto = `VACUUM INTO $1`

// MakeBackup copies a database into a new file, as it is at one moment, while servers go on
// writing to it. The file has its name only when it is whole and on the disk; only its owner can
// read it. The database is not changed, nor brought to this program's version.
//
// ErrNotFound if there is no database at the URL, ErrInvalid if the file is there already.
func MakeBackup(ctx context.Context, databaseURL, to string) (Backup, error) {
	path, err := backedUp(databaseURL)
	if err != nil {
		return Backup{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return Backup{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	var made Backup
	err = intoPlace(to, func(partial string) error {
		// VACUUM INTO takes an empty file as it takes none, and keeps its mode.
		if err := create(partial); err != nil {
			return err
		}
		db, err := sql.Open("sqlite", dsn(path, "mode=ro&_pragma=busy_timeout(5000)"))
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, vacuumInto, partial)
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		made, err = measure(ctx, partial)
		return err
	})
	return made, err
}

// backedUp is the file of a database that is one.
func backedUp(databaseURL string) (string, error) {
	if isPostgres(databaseURL) {
		return "", fmt.Errorf("%w: a PostgreSQL database is not backed up by countersign\nhint: use pg_dump, or what your PostgreSQL is backed up with, and countersign ledger check on what was restored", ErrInvalid)
	}
	return filePath(databaseURL)
}

// RestoreBackup makes a database of a backup, under a name at which there is none. check is given
// the database's URL before it has that name: with an error of it, nothing is restored.
func RestoreBackup(ctx context.Context, from, databaseURL string, check func(databaseURL string, b Backup) error) (Backup, error) {
	path, err := backedUp(databaseURL)
	if err != nil {
		return Backup{}, err
	}
	var copied Backup
	err = intoPlace(path, func(partial string) error {
		if copied, err = copyFile(ctx, from, partial); err != nil {
			return err
		}
		return check("sqlite:"+partial, copied)
	})
	return copied, err
}

// intoPlace has a file written beside its place, and moves it there when it is whole. If we stop
// before that, what is left has another name, and the next attempt begins anew.
func intoPlace(to string, write func(partial string) error) error {
	partial := to + ".partial"
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("%w: %s is there already", ErrInvalid, to), err)
	}
	if err := removeDatabase(partial); err != nil {
		return err
	}
	err := write(partial)
	if err == nil {
		err = syncFile(partial)
	}
	if err == nil {
		// Link, because a rename would replace what somebody else put there meanwhile.
		err = os.Link(partial, to)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store: write %s: %w", to, err), removeDatabase(partial))
	}
	return errors.Join(removeDatabase(partial), syncFolder(to))
}

// removeDatabase removes a database file and what SQLite keeps beside it.
func removeDatabase(path string) error {
	for _, beside := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + beside); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// measure reads all of a file.
func measure(ctx context.Context, path string) (Backup, error) {
	return copyTo(ctx, path, io.Discard)
}

// copyFile copies a file into a new one that only its owner can read.
func copyFile(ctx context.Context, from, to string) (Backup, error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Backup{}, err
	}
	b, err := copyTo(ctx, from, out)
	return b, errors.Join(err, out.Close())
}

func copyTo(ctx context.Context, from string, out io.Writer) (b Backup, err error) {
	in, err := os.Open(from)
	if err != nil {
		return Backup{}, err
	}
	defer in.Close()
	sum := sha256.New()
	b.Bytes, err = io.Copy(io.MultiWriter(out, sum), readerUntil{ctx, in})
	b.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return b, err
}

// readerUntil reads until the context ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
