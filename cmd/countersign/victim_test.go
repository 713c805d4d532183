package main

import (
	"bufio"
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	_ "unsafe" // for linkname

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/config"
)

// asVictim is the variable that makes the test binary a server that obeys orders: what time it is,
// and at which commit to die. It is newServer with what `countersign serve` gives it, but for the
// clock, and all of this is outside of it: in the driver of the database, as PostgreSQL's is in the
// way to it (link).
const asVictim = "COUNTERSIGN_TEST_AS_VICTIM"

// drivers are those of database/sql by name, which lets packages reach them so.
//
//go:linkname drivers database/sql.drivers
var drivers map[string]driver.Driver

// victim is the process that is going to be killed, as it sees itself.
type victim struct {
	ahead  atomic.Int64
	ambush ambush
}

// beVictim serves until it is killed. Its orders are lines from the third file: those before orderGo
// hold from the beginning.
func beVictim() {
	v := &victim{}
	orders := bufio.NewScanner(os.NewFile(3, "orders"))
	for orders.Scan() && orders.Text() != orderGo {
		v.obey(orders.Text())
	}
	drivers["sqlite"] = watchedDriver{drivers["sqlite"], &v.ambush}
	go func() {
		for orders.Scan() {
			v.obey(orders.Text())
		}
		os.Exit(1) // the test is gone
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := v.serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (v *victim) serve(ctx context.Context) error {
	cfg, err := config.Load("", os.Getenv, os.ReadFile)
	if err != nil {
		return err
	}
	log := zerolog.New(os.Stderr).With().Timestamp().Logger()
	srv, err := newServer(ctx, cfg, log, pace{now: v.now, poll: 2 * quick, askPause: time.Millisecond})
	if err != nil {
		return err
	}
	return srv.run(ctx)
}

func (v *victim) now() time.Time { return time.Now().Add(time.Duration(v.ahead.Load())) }

// Orders: how many nanoseconds the clock is ahead, the name of the point at which to die, and to
// begin.
const (
	orderClock = "clock "
	orderDie   = "die "
	orderGo    = "go"
)

// obey follows an order.
func (v *victim) obey(order string) {
	if name, is := strings.CutPrefix(order, orderDie); is {
		v.ambush.lay(pointNamed(name), func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it has come
		})
		return
	}
	ahead, err := strconv.ParseInt(strings.TrimPrefix(order, orderClock), 10, 64)
	if err != nil {
		panic(err)
	}
	v.ahead.Store(ahead)
}

// ambush lies in wait for the commit at which the server is to die. Its zero value waits for none.
type ambush struct {
	mu     sync.Mutex
	at     point
	strike func()
}

// lay has strike called at the next commit that is the point.
func (a *ambush) lay(at point, strike func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at, a.strike = at, strike
}

// sprung says whether the server is to die at a commit, and how.
func (a *ambush) sprung(t *transaction) (strike func(), after bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.strike == nil || !t.does(a.at) {
		return nil, false
	}
	strike, a.strike = a.strike, nil
	return strike, a.at.after
}

// transaction is what one connection has done since its last commit: the statements of each write,
// which store's writer does in a savepoint of its own.
type transaction struct{ writes [][]string }

// saw is told of every statement.
func (t *transaction) saw(query string) {
	last := len(t.writes) - 1
	switch {
	case strings.HasPrefix(query, "BEGIN"):
		t.writes = nil
	case strings.HasPrefix(query, "SAVEPOINT"):
		t.writes = append(t.writes, nil)
	case last < 0:
	case strings.HasPrefix(query, "ROLLBACK TO"):
		t.writes[last] = nil
	default:
		t.writes[last] = append(t.writes[last], query)
	}
}

// does says whether one of the writes is the one that a point is about.
func (t *transaction) does(p point) bool {
	for _, queries := range t.writes {
		if p.is(queries) {
			return true
		}
	}
	return false
}

// watchedDriver is a driver whose connections die where they are told to.
type watchedDriver struct {
	driver.Driver
	ambush *ambush
}

// fileConn is what the driver of SQLite makes.
type fileConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type fileStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func (d watchedDriver) Open(name string) (driver.Conn, error) {
	c, err := d.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return &watchedConn{fileConn: c.(fileConn), ambush: d.ambush}, nil
}

type watchedConn struct {
	fileConn
	ambush *ambush
	doing  transaction
}

func (c *watchedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.fileConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &watchedStmt{fileStmt: s.(fileStmt), query: query, conn: c}, nil
}

type watchedStmt struct {
	fileStmt
	query string
	conn  *watchedConn
}

func (s *watchedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	var strike func()
	after := false
	if s.query == "COMMIT" {
		strike, after = s.conn.ambush.sprung(&s.conn.doing)
	}
	if strike != nil && !after {
		strike()
	}
	r, err := s.fileStmt.ExecContext(ctx, args)
	if strike != nil && err == nil {
		strike()
	}
	s.conn.doing.saw(s.query)
	return r, err
}

func (s *watchedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.fileStmt.QueryContext(ctx, args)
	s.conn.doing.saw(s.query)
	return r, err
}
