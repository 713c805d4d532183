package ghsim

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how the simulated GitHub is set up. The zero value works.
type Options struct {
	// Schema is the source of a GraphQL schema (SDL). Empty: GitHub's own, from the cache folder
	// of gh/ghsim/published; when it cannot be had, GraphQL answers 501 and says why.
	Schema []byte
	// Clock tells the time. Nil: the real clock. Whatever it says, the simulator's time
	// advances by at least a microsecond at each reading, so that no two changes of the
	// world happen at the same instant. Credentials go by the real clock, because the
	// clients that compare them with the time have no other.
	Clock func() time.Time
	// Seed moves the numeric ids and the generated tokens. Two simulators with equal seeds
	// and equal calls hand out equal ids.
	Seed int64
	// RateLimit is the number of billable REST requests per hour of one installation or
	// one user, and of GraphQL points. 0: 5000.
	RateLimit int
	// WritesPerMinute is how many requests that write an installation may make in any minute, by
	// the simulator's clock, before it is told of a secondary limit. GitHub takes 80 in general.
	// 0: any number.
	WritesPerMinute int
}

// Sim is a simulated GitHub. Make it with New, open its port with Start.
type Sim struct {
	options Options
	server  *http.Server
	listen  net.Listener
	baseURL string
	routes  *router
	log     requestLog // has its own lock
	Faults  *Faults    // what goes wrong on purpose; has its own lock
	// keysGiven is how many Apps got a key pair, or another one.
	keysGiven atomic.Int64

	// mu guards everything below, and every struct of the world that is reachable from it.
	mu       sync.Mutex
	last     time.Time // the last time handed out by now
	lastID   int64
	random   *rand.Rand
	accounts map[int64]*account  // every account by numeric id
	logins   map[string]*account // by lower-cased REST login ("devin-ai-integration[bot]")
	orgs     map[int64]*org      // by the id of the organisation's account
	apps     map[int64]*app      // by App id
	installs map[int64]*installation
	tokens   map[string]*token
	repos    map[int64]*repo
	repoName map[string]*repo // by lower-cased "owner/name", former names included (renames redirect)
	budgets  map[string]*budget
	writes   map[int64][]time.Time // by installation, when each of the last minute's writes came
	senders  map[int64]*sender     // by App id: the queue of its deliveries; sender has its own lock
	browser  *account              // who is signed in in browsers; nil: nobody
	// registrations are Apps that were registered from a manifest, by the code that is not exchanged yet.
	registrations map[string]*app
	graphql       graphqlState // the GraphQL executor's own state (graphql.go)

	observers []*observer // who is told of what passes (contract.go)
}

// firstID keeps made-up ids away from the well-known ones, which are smaller or much larger.
const firstID = 4_100_000_000

// New makes an empty world: no organisations, only GitHub's own accounts and the App
// "github-actions" (id 15368).
func New(o Options) *Sim {
	if o.RateLimit == 0 {
		o.RateLimit = 5000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Sim{
		options: o, lastID: firstID + o.Seed*1_000_000, random: rand.New(rand.NewSource(o.Seed + 1)),
		accounts: map[int64]*account{}, logins: map[string]*account{}, orgs: map[int64]*org{},
		apps: map[int64]*app{}, installs: map[int64]*installation{}, tokens: map[string]*token{},
		repos: map[int64]*repo{}, repoName: map[string]*repo{}, budgets: map[string]*budget{}, writes: map[int64][]time.Time{},
		senders: map[int64]*sender{}, registrations: map[string]*app{},
	}
	s.Faults = newFaults()
	s.routes = newRouter(s.table())
	s.addPlatform()
	return s
}

// Start opens a port on 127.0.0.1 and serves until Close.
func (s *Sim) Start() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("ghsim: %w", err)
	}
	s.mu.Lock()
	s.listen = l
	s.baseURL = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	server := s.server
	s.mu.Unlock()
	go server.Serve(l) // returns http.ErrServerClosed after Close, which is the only way out
	return nil
}

// URL is the address of the server without a trailing slash, "" before Start. REST is at
// URL/api/v3/, GraphQL at URL/api/graphql, pages for people at URL/.
func (s *Sim) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseURL
}

// Close stops the server and the senders of webhooks. Deliveries not yet sent are lost.
func (s *Sim) Close() error {
	s.mu.Lock()
	server := s.server
	s.mu.Unlock()
	for _, q := range s.allSenders() {
		q.stop()
	}
	if server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // a client that keeps its connection busy must not hold a test up
	}
	return err
}

// now returns a time later than every time it returned before, in UTC.
func (s *Sim) now() time.Time {
	t := s.options.Clock().UTC()
	if !t.After(s.last) {
		t = s.last.Add(time.Microsecond)
	}
	s.last = t
	return t
}

// nextID returns an id that nothing else has. Ids grow with time, as GitHub's do.
func (s *Sim) nextID() int64 {
	s.lastID += 1 + s.random.Int63n(16)
	return s.lastID
}
