package store

import "errors"

// Errors of this package, to be tested with errors.Is.
var (
	// ErrNotFound: there is no such row in this organisation.
	ErrNotFound = errors.New("store: not found")
	// ErrLeaseLost: the job is not leased with this token any more. Somebody else has it, or
	// it was finished. Nothing was written.
	ErrLeaseLost = errors.New("store: lease lost")
	// ErrSuperseded: another record than the one to be published is wanted by now. Nothing
	// was written; the publish job is marked and will run again.
	ErrSuperseded = errors.New("store: superseded by a newer decision")
	// ErrConflict: the log's head moved while a leaf was appended. Nothing was written.
	ErrConflict = errors.New("store: log head moved")
	// ErrFork: the log does not extend the newest checkpoint that was signed, so nothing is
	// signed. The database was changed or an old copy was restored.
	ErrFork = errors.New("store: log does not extend its newest checkpoint")
	// ErrOtherKey: another key than the store's signs this log's checkpoints. Nothing was written.
	ErrOtherKey = errors.New("store: another key continues the log")
	// ErrNewerDatabase: a newer version of this program has migrated the database.
	ErrNewerDatabase = errors.New("store: database is of a newer version")
	// ErrOlderDatabase: the database was made by an older version, and was to be opened as it is.
	ErrOlderDatabase = errors.New("store: database is of an older version")
	// ErrUnfit: the PostgreSQL server would lose what was committed, or its clock is not ours.
	ErrUnfit = errors.New("store: PostgreSQL is not set up as it must be")
	// ErrNoSigner: the store was opened without a key, so it can sign or verify nothing, nor begin a log.
	ErrNoSigner = errors.New("store: no log key")
	// ErrInvalid: the argument breaks the method's contract. Nothing was written.
	ErrInvalid = errors.New("store: invalid argument")
	// ErrDisposed: what was asked for was there, and was disposed of.
	ErrDisposed = errors.New("store: disposed of")
	// ErrClosed: the store is closed. Nothing was written.
	ErrClosed = errors.New("store: closed")
)
