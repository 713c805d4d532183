package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// maxBatch bounds how many writes share a commit, and so how long the first one waits.
const maxBatch = 64

// writer is the one goroutine that writes. Writes that wait while a commit reaches the disk
// are put into the next transaction together, each in a savepoint of its own, and each is
// answered only after that transaction was committed. A commit costs one sync of the disk,
// which is a millisecond or two on rented machines, so this is what keeps the
// acknowledgement of webhooks fast while decisions are being recorded.
type writer struct {
	db      *sql.DB
	engine  engine
	conn    *sql.Conn // nil: none, or thrown away after a failure
	stmts   map[string]*sql.Stmt
	ops     chan *op
	closing chan struct{}
	closed  chan struct{}
	poke    func()
	max     int
}

// engine is what one kind of database does differently from another.
type engine struct {
	// begin are the statements that begin a transaction of the writer.
	begin []string
	// patience is how long such a transaction may take, before its connection is thrown away and
	// with it what was not committed. Zero: for ever, because there is no network in between.
	patience time.Duration
	// tell tells the other processes, in the transaction that makes work, who made it, and self is
	// who that is; empty: there are none.
	tell, self string
	// listen calls heard when another process told that it made work, and returns with its
	// connection; nil: there are none.
	listen func(ctx context.Context, heard func()) error
	// texts makes of the arguments of a statement what the database takes as text; nil: it takes all.
	texts func(args []any) []any
	// fit says why the database is not one to rely on; nil: that is asked of no such database.
	fit func(ctx context.Context, db *sql.DB) error
}

// op is one write that waits for its result.
type op struct {
	run    func(*txn) error
	result chan error
}

// txn is a transaction, as the methods that write see it.
type txn struct {
	w     *writer
	ctx   context.Context // ends with the engine's patience
	woken bool            // there may be new work for the worker
}

func startWriter(db *sql.DB, e engine, poke func()) *writer {
	w := &writer{
		db: db, engine: e, stmts: map[string]*sql.Stmt{}, ops: make(chan *op),
		closing: make(chan struct{}), closed: make(chan struct{}), poke: poke, max: maxBatch,
	}
	go w.loop()
	return w
}

// write runs one write and waits until it is durable. A context that ends first means that
// nothing was written; once the write has begun it is waited for, because its result is
// about to be known and "perhaps" would be the only other answer.
func (s *Store) write(ctx context.Context, what string, run func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	o := &op{run: run, result: make(chan error, 1)}
	select {
	case <-ctx.Done():
		return fmt.Errorf("store: %s: %w", what, ctx.Err())
	case <-s.writer.closing:
		return fmt.Errorf("store: %s: %w", what, ErrClosed)
	case s.writer.ops <- o:
	}
	if err := <-o.result; err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return nil
}

func (w *writer) loop() {
	defer close(w.closed)
	for {
		select {
		case <-w.closing:
			return
		case o := <-w.ops:
			w.commit(w.gather(o))
		}
	}
}

// gather takes the writes that are waiting right now. It does not wait for more.
func (w *writer) gather(first *op) []*op {
	batch := []*op{first}
	for len(batch) < w.max {
		select {
		case o := <-w.ops:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction and answers everybody.
func (w *writer) commit(batch []*op) {
	errs := make([]error, len(batch))
	t := &txn{w: w}
	if err := w.transact(t, batch, errs); err != nil {
		// Nothing of this batch was written, whatever its single results were.
		w.discard()
		for i := range errs {
			if errs[i] == nil {
				errs[i] = err
			}
		}
	} else if t.woken {
		w.poke()
	}
	for i, o := range batch {
		o.result <- errs[i]
	}
}

const (
	commit      = `COMMIT`
	savepoint   = `SAVEPOINT one`
	release     = `RELEASE SAVEPOINT one`
	rollbackOne = `ROLLBACK TO SAVEPOINT one`
)

func (w *writer) transact(t *txn, batch []*op, errs []error) error {
	ctx, cancel := w.engine.bounded()
	defer cancel()
	t.ctx = ctx
	if err := w.begin(t); err != nil {
		return err
	}
	for i, o := range batch {
		if _, err := t.exec(savepoint); err != nil {
			return err
		}
		woken := t.woken
		if errs[i] = o.run(t); errs[i] != nil {
			t.woken = woken
			// SQLite ends the whole transaction on a full disk and on some I/O errors. Then
			// this fails, and so does the batch.
			if _, err := t.exec(rollbackOne); err != nil {
				return errors.Join(errs[i], err)
			}
		}
		// PostgreSQL answers a COMMIT of a transaction that has failed without an error, and rolls
		// it back. It does not get there: this fails in such a transaction.
		if _, err := t.exec(release); err != nil {
			return err
		}
	}
	if t.woken && w.engine.tell != "" {
		if _, err := t.exec(w.engine.tell, w.engine.self); err != nil {
			return err
		}
	}
	// An error here means that the writes may have been done: the connection can be lost before
	// the answer comes. It is told as an error, and whoever repeats a write finds it done.
	_, err := t.exec(commit)
	return err
}

func (e engine) arguments(args []any) []any {
	if e.texts == nil {
		return args
	}
	return e.texts(args)
}

// bounded is a context that ends when a transaction has taken too long.
func (e engine) bounded() (context.Context, context.CancelFunc) {
	if e.patience == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), e.patience)
}

// begin begins a transaction. A connection to a server that was kept may have been lost since its
// last use: nothing has begun on it, so another one is tried.
func (w *writer) begin(t *txn) error {
	kept := w.conn != nil && w.engine.patience > 0
	err := w.connect(t.ctx)
	if err == nil {
		_, err = t.exec(w.engine.begin[0])
	}
	if err != nil && kept {
		w.discard()
		if err = w.connect(t.ctx); err == nil {
			_, err = t.exec(w.engine.begin[0])
		}
	}
	for _, query := range w.engine.begin[1:] {
		if err == nil {
			_, err = t.exec(query)
		}
	}
	return err
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	c, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn = c
	return nil
}

// discard throws the connection away. Closing it rolls back what may still be open, which a
// ROLLBACK on a connection in an unknown state need not.
func (w *writer) discard() {
	if w.conn == nil {
		return
	}
	for _, s := range w.stmts {
		s.Close()
	}
	clear(w.stmts)
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.conn = nil
}

// stop waits for the writes that have begun. It may be called more than once, one after the
// other.
func (w *writer) stop() {
	select {
	case <-w.closing:
	default:
		close(w.closing)
	}
	<-w.closed
}

// close closes the database, after stop.
func (w *writer) close() error {
	for _, s := range w.stmts {
		s.Close()
	}
	clear(w.stmts)
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
	return w.db.Close()
}

// prepare keeps every statement prepared: there are a few dozen constants, and preparing
// costs several times what running them does. No caller's context is passed to a statement: one
// that went away must not interrupt the connection that others share.
func (t *txn) prepare(query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmts[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (t *txn) exec(query string, args ...any) (int64, error) {
	s, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(t.ctx, t.w.engine.arguments(args)...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row reads one row into the given places. It returns sql.ErrNoRows if there is none.
func (t *txn) row(query string, args []any, into ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(t.ctx, t.w.engine.arguments(args)...).Scan(into...)
}

// rows calls each for every row. The rows are read to the end before anything else runs on
// the connection only if each does not use the transaction; it must not.
func (t *txn) rows(query string, args []any, each func(scan func(...any) error) error) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, t.w.engine.arguments(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
