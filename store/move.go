package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/ledger"
)

// movedTables are all tables with what tells their rows apart, in an order in which no row refers to
// one that comes later.
var movedTables = []struct{ name, key string }{
	{"orgs", "org_id"},
	{"deliveries", "delivery_id"},
	{"observations", "org_id, seq"},
	{"changes", "org_id, repo_id, number"},
	{"change_heads", "org_id, repo_id, head_sha, number"},
	{"review_permissions", "org_id, repo_id, number, review_id"},
	{"emergency_members", "org_id, repo_id, number, comment_id"},
	{"jobs", "id"},
	{"blobs", "org_id, sha256"},
	{"decisions", "org_id, record_id"},
	{"check_runs", "org_id, repo_id, head_sha, check_name"},
	{"exceptions", "org_id, id"},
	{"exception_steps", "org_id, id, leaf_index"},
	{"attestations", "org_id, ruleset_id"},
	{"protection_snapshots", "org_id, repo_id, ref"},
	{"policies", "org_id, repo_id, governing_ref"},
	{"branches", "org_id, repo_id, ref"},
	{"branch_updates", "org_id, repo_id, activity_id"},
	{"backfills", "org_id, repo_id, ref"},
	{"backfilled_updates", "org_id, repo_id, activity_id"},
	{"reconciles", "org_id, repo_id"},
	{"log_heads", "org_id"},
	{"log_leaves", "org_id, leaf_index"},
	{"log_hashes", "org_id, position"},
	{"checkpoints", "org_id, size"},
	{"cosignatures", "org_id, witness, size"},
	{"log_terms", "org_id, leaf_index"},
	{"log_contradictions", "org_id, origin, witness"},
	{"lost_deliveries", "delivery_id"},
	{"sweeps", "name"},
	{"listed_changes", "org_id, repo_id, number"},
	{"listed_marks", "org_id, mark, leaf_index, repo_id, number"},
	{"merged_changes", "org_id, leaf_index, number"},
	{"merged_marks", "org_id, mark, at, leaf_index, number"},
	{"merged_days", "org_id, repo_id, day"},
	{"agents_seen", "org_id, agent"},
	{"auditor_grants", "org_id, id"},
	{"sessions", "id"},
	{"session_orgs", "session, org_id"},
	{"session_repositories", "session, org_id, repo_id"},
	{"github_writes", "installation_id, n"},
	{"bundles", "org_id, id"},
	{"bundle_uploads", "org_id, bundle_id"},
	{"first_days", "org_id"},
	{"first_day_asks", "org_id"},
}

// Moved is what was moved and compared.
type Moved struct {
	Rows   int64
	Tables int
	Logs   []MovedLog // by organisation
}

// MovedLog is a log of which the root hash was computed from the leaves that were moved.
type MovedLog struct {
	Login string
	Size  int64
	Root  string // base64 as in checkpoints
}

// Move copies everything that is in a SQLite database into a PostgreSQL database that is empty, in one
// transaction. Before it commits, every row is read back and compared, and the root of every log is
// computed from its leaves. With an error nothing was moved, unless it came from the commit: then the
// next attempt finds the database empty or not. SQLite's cannot be written meanwhile, and is brought
// to this program's version.
//
// ErrNotFound if there is no database at from, ErrInvalid if the other one is not empty.
func Move(ctx context.Context, from, to string, progress func(table string, rows int64)) (Moved, error) {
	if _, err := filePath(from); err != nil {
		return Moved{}, err
	}
	if !isPostgres(to) {
		return Moved{}, fmt.Errorf("%w: database %q\nhint: what is moved to is a PostgreSQL database, postgres://…", ErrInvalid, redact(to))
	}
	source, err := OpenExisting(ctx, Options{URL: from})
	if err != nil {
		return Moved{}, err
	}
	defer source.Close()
	// Makes the tables, and says whether the server is fit.
	target, err := Open(ctx, Options{URL: to})
	if err == nil {
		err = target.Close()
	}
	if err != nil {
		return Moved{}, err
	}
	m := mover{source: source, progress: progress}
	// Within a write, so that nobody else writes.
	err = source.write(ctx, "move", func(*txn) error { return m.run(ctx, to) })
	return m.moved, err
}

type mover struct {
	source   *Store
	tx       pgx.Tx
	progress func(table string, rows int64)
	moved    Moved
}

func (m *mover) run(ctx context.Context, to string) error {
	c, err := postgresConfig(to, migrateSession)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if m.tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}); err != nil {
		return err
	}
	defer m.tx.Rollback(context.WithoutCancel(ctx))
	if err := m.lockEmpty(ctx); err != nil {
		return err
	}
	for _, table := range movedTables {
		if err := m.table(ctx, table.name, table.key); err != nil {
			return fmt.Errorf("table %s: %w", table.name, err)
		}
	}
	if _, err := m.tx.Exec(ctx, moveJobIDs); err != nil {
		return err
	}
	if err := m.compareLogs(ctx); err != nil {
		return err
	}
	return m.tx.Commit(ctx)
}

// The next job gets a number that none has.
const moveJobIDs = `SELECT setval(pg_get_serial_sequence('jobs', 'id'), COALESCE(MAX(id), 0) + 1, false) FROM jobs`

// lockEmpty keeps servers from writing to where it is moved, and sees that none has.
func (m *mover) lockEmpty(ctx context.Context) error {
	if _, err := m.tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+writeLock+`)`); err != nil {
		return err
	}
	for _, table := range movedTables {
		var rows int64
		if err := m.tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+table.name).Scan(&rows); err != nil {
			return err
		}
		if rows > 0 {
			return fmt.Errorf("%w: table %s of the PostgreSQL database has %d rows\nhint: make an empty database; what is in this one is not replaced", ErrInvalid, table.name, rows)
		}
	}
	return nil
}

const selectColumns = `SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`

// table moves one table, and reads it back.
func (m *mover) table(ctx context.Context, name, key string) error {
	rows, err := m.tx.Query(ctx, selectColumns, name)
	if err != nil {
		return err
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	// Names from here and from the schema, and so no statement of a stranger's.
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + name + " ORDER BY " + key
	from, err := m.source.read.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer from.Close()
	sent := &sentRows{rows: from, values: make([]any, len(columns)), sum: sha256.New()}
	n, err := m.tx.CopyFrom(ctx, pgx.Identifier{name}, columns, sent)
	if err != nil {
		return err
	}
	back, err := m.tx.Query(ctx, query)
	if err != nil {
		return err
	}
	defer back.Close()
	read, sum := int64(0), sha256.New()
	for back.Next() {
		values, err := back.Values()
		if err != nil {
			return err
		}
		addRow(sum, values)
		read++
	}
	if err := back.Err(); err != nil {
		return err
	}
	if n != sent.count || read != sent.count || string(sum.Sum(nil)) != string(sent.sum.Sum(nil)) {
		return fmt.Errorf("%d rows were sent, and %d came back, or others", sent.count, read)
	}
	m.moved.Rows += n
	m.moved.Tables++
	m.progress(name, n)
	return nil
}

// sentRows are the rows of SQLite on their way.
type sentRows struct {
	rows   *sql.Rows
	values []any
	sum    hash.Hash
	count  int64
}

func (s *sentRows) Next() bool { return s.rows.Next() }
func (s *sentRows) Err() error { return s.rows.Err() }

func (s *sentRows) Values() ([]any, error) {
	into := make([]any, len(s.values))
	for i := range into {
		into[i] = &s.values[i]
	}
	if err := s.rows.Scan(into...); err != nil {
		return nil, err
	}
	for i, v := range s.values {
		if b, is := v.([]byte); is {
			s.values[i] = notNull(b) // no bytes are not nothing
		}
	}
	plainTexts(s.values)
	addRow(s.sum, s.values)
	s.count++
	return s.values, nil
}

// addRow adds a row to a digest: of each value its kind, its length and its bytes.
func addRow(sum hash.Hash, values []any) {
	for _, v := range values {
		var kind byte
		var b []byte
		switch v := v.(type) {
		case nil:
			kind = 'n'
		case int64:
			kind, b = 'i', binary.BigEndian.AppendUint64(nil, uint64(v))
		case string:
			kind, b = 't', []byte(v)
		case []byte:
			kind, b = 'b', v
		}
		sum.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(b))))
		sum.Write(b)
	}
}

const selectAllLeaves = `SELECT leaf FROM log_leaves WHERE org_id = $1 ORDER BY leaf_index`

// compareLogs computes the roots of the logs that were moved, and compares them with the heads that
// they were moved from.
func (m *mover) compareLogs(ctx context.Context) error {
	orgs, err := m.source.Orgs(ctx)
	if err != nil {
		return err
	}
	for _, o := range orgs {
		head, err := m.source.Tenant(o.ID).head(ctx)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		rows, err := m.tx.Query(ctx, selectAllLeaves, o.ID)
		if err != nil {
			return err
		}
		var tree ledger.Rebuild
		for rows.Next() {
			var leaf []byte
			if err := rows.Scan(&leaf); err != nil {
				return err
			}
			tree.Append(leaf)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if tree.Size() != head.size || tree.Root() != head.root {
			return fmt.Errorf("%w: the log of %s has %d leaves, its head says %d, or another root\nhint: countersign ledger check says what does not hold", ErrFork, o.Login, tree.Size(), head.size)
		}
		m.moved.Logs = append(m.moved.Logs, MovedLog{o.Login, head.size, head.root.String()})
	}
	return nil
}
