// Package store keeps everything that must survive: webhook deliveries and what they said,
// jobs, decisions with the facts, policy and catalogue they were made from, the tamper-evident
// log of every organisation, and the check runs that are owed to GitHub.
//
// What belongs together is committed together. A delivery is stored with its observation and
// the jobs it marks; a decision with its ledger leaf and the check run that is now wanted.
// When a method returns nil, what it wrote is durable (SQLite in WAL mode, synchronous FULL;
// PostgreSQL with synchronous_commit and fsync on, which Open insists on).
// When it returns an error, the write may still have happened if the error came from the
// commit itself; every method may be called again.
//
// Rows of an organisation are reached through Tenant, which binds the organisation in every
// statement. The ledger of an organisation is append-only: leaves, hashes and checkpoints are
// inserted and never updated.
//
// All methods may be called from several goroutines, and with PostgreSQL from several processes.
// Transactions that write run one after the other, over all processes: each holds a lock from its
// beginning to its end. So a decision to write is made from what is read inside of it.
//
// The statements are plain SQL with $1 placeholders, for SQLite and PostgreSQL; what differs between
// the two is in the migrations, in sqlite.go and in postgres.go. PostgreSQL takes a placeholder for
// what it is compared with first: (repo_id = $2 OR $2 = 0) has all the bits of a repository's id,
// and ($2 = 0 OR repo_id = $2) has 32.
package store
