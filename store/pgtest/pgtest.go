// Package pgtest starts PostgreSQL for tests: one cluster per test process, in a temporary folder
// that nobody else reaches, and a database of its own for every test.
//
// The programs of PostgreSQL 15 or later must be installed. A test fails without them, and says
// with which command they come.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// install is what a test says when there is no PostgreSQL.
const install = "PostgreSQL is not installed, and these tests need its programs\nhint: apt-get install -y postgresql-15"

// Cluster is a PostgreSQL server of its own. Its zero value starts with the first database that
// is asked for, and ends with the process, however that ends.
type Cluster struct {
	// Prepare makes in the first database what all of them begin with; nil: they begin empty.
	Prepare func(database string) error

	start sync.Once
	err   error
	admin sync.Mutex // of the one connection that makes databases; a new one costs as much as a test
	conn  *pgx.Conn
	dir   string
	alive io.Closer // what the cluster reads until this process ends
	count atomic.Int64
}

// Database makes a database and returns its URL.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return c.make(t, "prepared")
}

// Empty makes a database without what Prepare makes.
func (c *Cluster) Empty(t testing.TB) string {
	t.Helper()
	return c.make(t, "template0")
}

func (c *Cluster) make(t testing.TB, template string) string {
	t.Helper()
	c.start.Do(func() { c.err = c.run() })
	if c.err != nil {
		t.Fatal(c.err)
	}
	name := "test" + strconv.FormatInt(c.count.Add(1), 10)
	if err := c.create(name, template); err != nil {
		t.Fatal(err)
	}
	return c.URL(name)
}

// create makes a database of a template.
func (c *Cluster) create(name, template string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.admin.Lock()
	defer c.admin.Unlock()
	if c.conn == nil {
		if c.conn, err = pgx.Connect(ctx, c.URL("postgres")); err != nil {
			return err
		}
	}
	_, err = c.conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
	return err
}

// Copy makes a database that has in it what another one has. Nobody may be connected to that one.
func (c *Cluster) Copy(t testing.TB, of string) string {
	t.Helper()
	from, err := pgx.ParseConfig(of)
	if err != nil {
		t.Fatal(err)
	}
	return c.make(t, from.Database)
}

// Exec runs statements in a database, as its owner may.
func (c *Cluster) Exec(t testing.TB, database, statements string) {
	t.Helper()
	if err := c.exec(database, statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

func (c *Cluster) exec(database, statements string) error {
	// No test's context: databases are also changed while a test is cleaned up.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statements)
	return errors.Join(err, conn.Close(ctx))
}

// Socket is the Unix socket on which the cluster listens, for tests that go between. There must
// be a database.
func (c *Cluster) Socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

// URL is that of a database by its name.
func (c *Cluster) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("countersign"), Path: "/" + database,
		RawQuery: url.Values{"host": {c.dir}, "port": {"5432"}}.Encode()}
	return u.String()
}

// cluster makes the cluster in its folder, serves until what it reads from ends, and removes the
// folder. It is a shell's work, so that it is done also when the test process is killed. The order
// of text is that of no SQLite, so that a statement that depends on it shows.
const cluster = `set -e
trap 'rm -rf "$2"' EXIT
"$1/initdb" -D "$2/data" -U countersign -A trust --no-sync -E UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en >"$2/log" 2>&1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 >>"$2/log" 2>&1 &
read -r _ || true
kill -INT $!
wait $!`

func (c *Cluster) run() error {
	bin, err := programs()
	if err != nil {
		return err
	}
	// A short path: the name of a socket has 107 bytes at most.
	if c.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", cluster, "sh", bin, c.dir)
	if os.Geteuid() == 0 {
		if cmd.SysProcAttr, err = asSomebody(c.dir); err != nil {
			return err
		}
	}
	if c.alive, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("PostgreSQL did not start: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
		if err := c.exec(c.URL("postgres"), "CREATE DATABASE prepared"); err == nil {
			break
		}
	}
	if c.Prepare != nil {
		return c.Prepare(c.URL("prepared"))
	}
	return nil
}

// programs finds the folder of PostgreSQL's programs: the newest of the usual places.
func programs() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"} {
		dirs, err := filepath.Glob(filepath.Join(pattern, "initdb"))
		if err != nil {
			return "", err
		}
		found = append(found, dirs...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return "", errors.New(install)
	}
	return filepath.Dir(slices.Max(found)), nil
}

// asSomebody gives a folder to a user who is not root, as whom the server runs: it refuses to run
// as root.
func asSomebody(dir string) (*syscall.SysProcAttr, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir, uid, gid)
}
