package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// every is for by hand: whole minutes.
var every = flag.Bool("every", false, "every request fails in every way, not only in those that the server tells apart there")

// reader is a part of the server that reads GitHub.
type reader struct {
	name string
	// only are the requests that it is made to fail at, where other readers are there for the rest;
	// nil: all that it reads.
	only func(request string) bool
	// kinds are the ways in which they fail.
	kinds []string
	// prepare makes a repository, in which begin then makes what is there before GitHub fails.
	prepare func(t *testing.T, w *acme) beginning
}

// beginning makes what is there before GitHub fails, under a name of its own.
type beginning func(t *testing.T, name string) reading

// reading is one occasion to read.
type reading struct {
	// happens makes the server read.
	happens func()
	// wrong is what must not be while a read fails; empty: nothing is wrong.
	wrong func() string
	// again makes the server look once more; nil: only time does.
	again func()
	// right is how it must end when GitHub is well again.
	right func() bool
}

// readers are all of them, and every request of the server is made by one of these or of the writers.
func readers() []reader {
	// The client tells the failures apart in one place, for all requests.
	refused := []string{"502", "404", "403"}
	return []reader{
		{"pull request", notOfBranches, []string{"502", "404", "403", "401"}, readsOfAPull},
		{"pull request, broken off", ofEachKind, []string{"drop", "malformed", "cut", "secondary"}, readsOfAPull},
		{"pull request, no answer", anyOf("POST /graphql of Change"), []string{"timeout", "limited"}, readsOfAPull},
		{"long lists", named("Page"), refused, readsOfLongLists},
		{"carried approval", named("Modes"), refused, readsOfACarriedApproval},
		{"check run that may be there", named("of one name"), refused, readsBack},
		{"merge group", notOfBranches, refused, readsOfAGroup},
		{"branch", notOfScope, refused, readsOfABranch},
		// Of what was never looked at, "there is none" may be the truth.
		{"new branch", notOfScope, []string{"502", "403"}, readsOfANewBranch},
		{"branch seen first", notOfScope, []string{"502", "403"}, readsOfABranchSeenFirst},
		{"history", notOfScope, []string{"502", "403"}, readsOfAHistory},
		{"attestation", notOfScope, refused, readsOfAnAttestation},
		{"start", anyOf("GET /app", tokens), refused, readsAtTheStart},
		{"an auditor's own token", anyOf("POST /graphql of BranchTip", "POST /graphql of MergedPull"), refused, readsOfAnAuditor},
		{"lost deliveries", anyOf("GET /app/hook/deliveries"), []string{"502", "403", "401", "malformed", "cut"}, readsOfLostDeliveries},
		{"what is open", named("of Open"), []string{"502", "404", "403", "401", "malformed", "cut"}, readsOfWhatIsOpen},
		{"scope", ofScope, refused, readsOfTheScope},
		{"first day", anyOf("POST /graphql of MergedPulls", "GET /installation/repositories"), []string{"502", "404", "403", "malformed"}, readsOfTheFirstDay},
	}
}

// writers are the parts that write. Of what failed there, nobody knows whether it was done, and what
// is known is in the database.
func writers() []reader {
	return []reader{
		{"redelivery", anyOf(redelivers), []string{"502", "502, done", "malformed", "limited"}, readsOfLostDeliveries},
		{"check run", ofCheckRuns, []string{"502", "502, done", "drop, done", "limited", "timeout"}, writesOfACheckRun},
	}
}

// tokens is where an installation's token comes from.
const tokens = "POST /app/installations/{installation_id}/access_tokens"

// named are the requests with this in their names, and anyOf those with one of these names.
func named(part string) func(string) bool {
	return func(request string) bool { return strings.Contains(request, part) }
}

func anyOf(names ...string) func(string) bool {
	return func(request string) bool { return slices.Contains(names, request) }
}

// ofScope are the reads of which repositories there are, which are made once a day beside everything.
var ofScope = anyOf("GET /installation/repositories", "GET /orgs/{org}", "GET /orgs/{org}/repos")

// ofCheckRuns are the writes of check runs, which are made wherever something is decided.
var ofCheckRuns = anyOf(createsCheckRun, updatesCheckRun)

// notOfScope are the reads but for those of which repositories there are, and what they have open and
// which check runs are there, which are made from time to time beside everything. Other readers have
// each of these fail.
func notOfScope(request string) bool {
	reads := strings.HasPrefix(request, "GET ") || strings.HasPrefix(request, "POST /graphql")
	return reads && !ofScope(request) && request != "POST /graphql of Open" && !named("of one name")(request)
}

// ofEachKind is a query, an object, lists with and without a count, and a file. With -every all
// requests are broken off.
var ofEachKind = anyOf("POST /graphql of Change", "GET /repos/{owner}/{repo}/pulls/{number}", "GET /repos/{owner}/{repo}/pulls/{number}/files",
	"GET /repos/{owner}/{repo}/commits/{sha}/check-runs", "GET /repos/{owner}/{repo}/contents/{path...}")

// notOfBranches are the reads but for those that are made only where a branch is looked at, which
// goes on beside everything.
func notOfBranches(request string) bool {
	return notOfScope(request) && !slices.Contains([]string{"GET /repos/{owner}/{repo}", "GET /repos/{owner}/{repo}/activity", "GET /repos/{owner}/{repo}/compare/{basehead...}",
		"GET /repos/{owner}/{repo}/commits/{sha}/pulls", "POST /graphql of Organisation", "POST /graphql of Protection"}, request)
}

// byHand are the requests of what a person does, who sees at once that it fails. doctor_test.go and
// protect_test.go have the reads of these commands fail, pages_test.go and gh's signin_test.go those of
// the pages.
var byHand = anyOf("GET /app/hook/config", "GET /app/installations", "GET /repos/{owner}/{repo}/branches",
	"GET /repos/{owner}/{repo}/rulesets", "GET /orgs/{org}/rulesets", "GET /orgs/{org}/rulesets/{ruleset_id}",
	"POST /repos/{owner}/{repo}/rulesets", "POST /orgs/{org}/rulesets", "PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}", "PUT /orgs/{org}/rulesets/{ruleset_id}",
	"GET /user/installations", "GET /user/installations/{installation_id}/repositories",
	"POST /login/oauth/access_token", "DELETE /applications/{client_id}/token", "POST /app-manifests/{code}/conversions")

// failures are the ways in which a request fails.
var failures = map[string]ghsim.Fault{
	"502": {Status: 502}, "404": {Status: 404}, "403": {Status: 403}, "401": {Status: 401}, "drop": {Drop: true},
	"malformed": {Malformed: true}, "cut": {CutBody: true}, "secondary": {Secondary: true}, "limited": {RateLimited: true},
	"timeout": {Latency: time.Hour}, "502, done": {Status: 502, AfterDoing: true}, "drop, done": {Drop: true, AfterDoing: true},
}

// ways are those in which the requests of a reader fail.
func (r reader) ways() []string {
	if !*every {
		return r.kinds
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(failures)), func(kind string) bool {
		return !slices.Contains(r.kinds, kind) && (kind == "404" || failures[kind].AfterDoing)
	})
}

// startUnwell starts the world for requests that fail: GitHub's clock is the server's, and who does
// not answer is waited for by the second.
func startUnwell(t *testing.T) *acme {
	t.Helper()
	w := &acme{folder: t.TempDir(), at: databaseOf(t), noisy: fast, patience: time.Second}
	w.sim = ghsim.New(ghsim.Options{Clock: w.now})
	w.mustBegin(t)
	return w
}

// Whatever the API does wrong at any request, of whichever part of the server: nothing is green, or
// passed over, before, and everything is right, once, after.
func TestEveryRequestFailing(t *testing.T) {
	t.Parallel()
	failed := makeFail(t, append(readers(), writers()...))
	if t.Failed() {
		return // not all may have been reached
	}
	for _, request := range requestsInSource(t) {
		// What keeps exceptions as issues decides nothing: issue_test.go has its answers fail.
		if _, is := failed.Load(request); !is && !byHand(request) && !strings.Contains(request, "/issues") {
			t.Errorf("%s stands in the source and no reader made it fail: add one, or remove the request", request)
		}
	}
}

// On PostgreSQL those of the writers do, and all of them where every way is asked for.
func TestOnPostgresEveryRequestFailing(t *testing.T) {
	t.Parallel()
	list := writers()
	if *every {
		list = append(list, readers()...)
	}
	makeFail(t, list)
}

// makeFail makes the requests of some readers fail, side by side, and returns which these are.
func makeFail(t *testing.T, list []reader) (failed *sync.Map) {
	failed = &sync.Map{}
	t.Run("of", func(t *testing.T) {
		for _, r := range list {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				w := startUnwell(t)
				begin := r.prepare(t, w)
				for _, request := range w.requestsOf(t, begin) {
					if r.only != nil && !r.only(request) {
						continue
					}
					for _, kind := range r.ways() {
						t.Run(request+" "+kind, func(t *testing.T) { w.requestFails(t, begin, request, kind) })
					}
					failed.Store(strings.ReplaceAll(request, "...}", "}"), true)
				}
			})
		}
	})
	return failed
}

// requestsOf lets a reader read with nothing wrong and returns what it asked.
func (w *acme) requestsOf(t *testing.T, begin beginning) (requests []string) {
	t.Helper()
	occasion := begin(t, "well")
	w.mustSettle(t)
	w.sim.ResetRequests()
	occasion.happens()
	w.skipUntil(t, occasion.right)
	for _, q := range w.sim.Requests() {
		if request := requestName(q.Route, q.Query, q.Body); !slices.Contains(requests, request) {
			requests = append(requests, request)
		}
	}
	slices.Sort(requests)
	t.Logf("asks %s", strings.Join(requests, ", "))
	return requests
}

// requestFails lets a request fail until everything is at rest, and then no more.
func (w *acme) requestFails(t *testing.T, begin beginning, request, kind string) {
	occasion := begin(t, request+" "+kind)
	w.mustSettle(t)
	var hit atomic.Bool
	fault := failures[kind]
	fault.Route, _, _ = strings.Cut(request, " of ")
	fault.Reset = w.now().Add(limitedFor)
	fault.Only = func(q *http.Request) bool {
		body, err := io.ReadAll(q.Body)
		q.Body = io.NopCloser(bytes.NewReader(body))
		is := err == nil && requestName(fault.Route, q.URL.RawQuery, body) == request
		if is {
			q.Header.Del("If-None-Match") // a 304 has nothing in it that could be broken
			hit.Store(true)
		}
		return is
	}
	repair := w.sim.Faults.Add(fault)
	defer repair()
	occasion.happens()
	mustDo(t, w.sim.Drain(t.Context()))
	w.skipUntil(t, hit.Load)
	w.waitUntil(t, func() bool { return w.atRest(t) })
	if wrong := occasion.wrong(); wrong != "" {
		t.Errorf("while %s answers %s: %s", request, kind, wrong)
	}
	repair()
	// That something is not there may be the truth. Everything else is looked at again by itself:
	// it is waited for once, since that takes a second.
	if occasion.again != nil && kind != "502" {
		occasion.again()
	}
	w.skipUntil(t, occasion.right)
	if fault.RateLimited {
		w.later(limitedFor) // all of the installation waits for that, and what comes next is not about it
	}
}

// limitedFor is how long a rate limit is spent.
const limitedFor = 5 * time.Minute

var queryName = regexp.MustCompile(`query ([A-Z][A-Za-z]*)\(`)

// requestName is what a request is about: its route, with the name of the query or of the check run
// that it asks for.
func requestName(route, query string, body []byte) string {
	named := queryName.FindSubmatch(body)
	switch {
	case route == "POST /graphql" && named != nil:
		return route + " of " + string(named[1])
	case strings.HasPrefix(route, "GET ") && strings.Contains(query, "check_name="):
		return route + " of one name"
	}
	return route
}

// requestsInSource are the requests that the source of the server names.
func requestsInSource(t *testing.T) (requests []string) {
	t.Helper()
	route := regexp.MustCompile(`"((?:GET|POST|PATCH|PUT|DELETE) /[^"]*)"`)
	for _, room := range []string{"gh", "facts", "worker"} {
		files, err := filepath.Glob(filepath.Join("..", "..", room, "*.go"))
		mustDo(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(name)
			mustDo(t, err)
			for _, found := range route.FindAllSubmatch(source, -1) {
				if request := string(found[1]); request != "POST /graphql" { // whose queries have names
					requests = append(requests, request)
				}
			}
			for _, found := range queryName.FindAllSubmatch(source, -1) {
				requests = append(requests, "POST /graphql of "+string(found[1]))
			}
		}
	}
	slices.Sort(requests)
	if requests = slices.Compact(requests); len(requests) < 30 {
		t.Fatalf("only %d requests were found in the source: %v", len(requests), requests)
	}
	return requests
}

// ofPull is the reading of one pull request, which ends green.
func (w *acme) ofPull(pr *pull, happens func()) reading {
	return reading{
		happens: happens,
		wrong: func() string {
			if got := w.check(*pr, "countersign"); got.Conclusion == released {
				return "it is green"
			}
			return ""
		},
		again: func() { (*pr).Label(w.dave, "again") },
		right: func() bool { return w.check(*pr, "countersign").Conclusion == released },
	}
}

// attested protects the branches of a repository by one ruleset, of which an owner attests that
// nobody may bypass it.
func (w *acme) attested(t *testing.T, repo *ghsim.Repo, rules ...ghsim.Rule) {
	t.Helper()
	repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "all", Include: []string{"refs/heads/main", "refs/heads/release/*"},
		Rules: append(rules, ghsim.RulePullRequest(1), ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion())})
	w.mustSettle(t)
	w.later(time.Minute)
	_, err := w.attestAs(t, w.carol.Token(), repo.FullName())
	mustDo(t, err)
}

// readsOfAPull is a pull request from a fork to a release branch under a ruleset that an owner
// attested, where a team must approve.
func readsOfAPull(t *testing.T, w *acme) beginning {
	core := w.org.Team("core", w.bob)
	repo := w.repository("released", strings.NewReplacer(
		"[main]", `[main, "release/*"]`, "review:\n", "review:\n  from: {teams: [acme/core]}\n").Replace(shopPolicy))
	repo.TeamRole(core, "write")
	repo.Push("release/1", w.carol)
	w.attested(t, repo, ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}))
	eve := w.sim.User("eve")
	fork := repo.Fork(eve)
	return func(_ *testing.T, name string) reading {
		var pr pull
		return w.ofPull(&pr, func() {
			pr = repo.OpenPullRequest(ghsim.PullSpec{Title: name, HeadRepo: fork, Head: slug(name), Base: "release/1", Author: eve,
				Commits: []ghsim.Commit{{Message: name, Files: map[string]string{slug(name) + ".go": "package shop\n"}}}})
			w.approved(pr)
		})
	}
}

// readsOfLongLists is a pull request with more commits, reviews, events and labels than the first
// answer holds.
func readsOfLongLists(_ *testing.T, w *acme) beginning {
	repo := w.guardedRepo("long", "")
	return func(t *testing.T, name string) reading {
		var commits []ghsim.Commit
		for i := range 31 {
			commits = append(commits, ghsim.Commit{Message: fmt.Sprint(i), Files: map[string]string{"n.txt": fmt.Sprint(name, i)}})
		}
		pr := repo.OpenPullRequest(ghsim.PullSpec{Title: name, Head: slug(name), Author: w.dave, Commits: commits})
		w.test(pr, "success")
		w.app.Hooks().Drop(func(string, string) bool { return true }) // of no interest, and many
		for range 31 {
			pr.Review(ghsim.ReviewSpec{By: w.alice, State: "COMMENTED", Body: "hm"})
		}
		for range 51 {
			pr.Assign(w.dave, w.alice)
			pr.Unassign(w.dave, w.alice)
		}
		for i := range 101 {
			pr.Label(w.dave, fmt.Sprint("label ", i))
		}
		w.app.Hooks().Drop(nil)
		return w.ofPull(&pr, func() { pr.Approve(w.bob) })
	}
}

// readsOfACarriedApproval is a branch that is updated after its approval.
func readsOfACarriedApproval(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo, pr := w.approvedPull(t, name)
		w.moved(t, repo, map[string]string{"other.go": "package other\n"})
		return w.ofPull(&pr, func() {
			mustDo(t, pr.UpdateBranch(w.dave))
			w.test(pr, "success")
		})
	}
}

// readsBack is a check run of which nobody knows whether it was written.
func readsBack(t *testing.T, w *acme) beginning {
	repo := w.guardedRepo("lost write", "")
	return func(t *testing.T, name string) reading {
		var pr pull
		return reading{
			happens: func() {
				w.sim.Faults.Add(ghsim.Fault{Route: "POST /repos/{owner}/{repo}/check-runs", Times: 1, Drop: true, AfterDoing: true})
				pr = repo.OpenPullRequest(ghsim.PullSpec{Title: name, Head: slug(name), Author: w.dave,
					Commits: []ghsim.Commit{{Message: name, Files: map[string]string{slug(name) + ".go": "package shop\n"}}}})
			},
			wrong: func() string { return w.writtenTwice(pr) },
			right: func() bool {
				return w.check(pr, "countersign").Status != "" && w.settled(t) && w.writtenTwice(pr) == ""
			},
		}
	}
}

func (w *acme) writtenTwice(pr pull) string {
	seen := map[string]bool{}
	for _, c := range pr.Repo().CheckRuns(pr.HeadSHA()) {
		if c.AppID == w.app.ID() && seen[c.ExternalID] {
			return "the check run of record " + c.ExternalID + " was written twice"
		}
		seen[c.ExternalID] = c.AppID == w.app.ID()
	}
	return ""
}

// writesOfACheckRun are those of a pull request that is opened, approved and released, and then fails.
func writesOfACheckRun(_ *testing.T, w *acme) beginning {
	repo := w.guardedRepo("written", "")
	return func(t *testing.T, name string) reading {
		var pr pull
		return reading{
			happens: func() {
				pr = repo.OpenPullRequest(ghsim.PullSpec{Title: name, Head: slug(name), Author: w.dave,
					Commits: []ghsim.Commit{{Message: name, Files: map[string]string{slug(name) + ".go": "package shop\n"}}}})
				mustDo(t, w.sim.Drain(t.Context()))
				w.waitUntil(t, func() bool { return w.atRest(t) })
				w.approved(pr)
			},
			wrong: func() string { return w.writtenTwice(pr) },
			right: func() bool {
				return w.check(pr, "countersign").Conclusion == released && w.settled(t) && w.writtenTwice(pr) == ""
			},
		}
	}
}

// readsOfAGroup is a pull request in a merge queue that waits for another check in the end.
func readsOfAGroup(t *testing.T, w *acme) beginning {
	repo := w.repository("queued", shopPolicy)
	w.attested(t, repo, ghsim.RuleMergeQueue(), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}, ghsim.Required{Name: "last", App: w.devin}))
	return func(t *testing.T, name string) reading {
		pr := w.readyPull(t, repo, slug(name))
		repo.PostCheckRun(w.devin, pr.HeadSHA(), "last", "success")
		t.Cleanup(func() { pr.Close(w.dave) })
		var group string
		return reading{
			happens: func() {
				mustDo(t, pr.Enqueue(w.dave))
				group = pr.GroupSHA()
				w.testGroup(repo, group, "success")
			},
			wrong: func() string {
				if got := w.groupCheck(repo, group); got.Conclusion == released {
					return "the group is green"
				}
				return ""
			},
			again: func() { pr.Label(w.dave, "again") },
			// A group that failed for what was not there is out of the queue.
			right: func() bool { return w.groupCheck(repo, group).Conclusion == released || pr.GroupSHA() == "" },
		}
	}
}

// ofUpdates is the reading of what reaches a branch, which ends with as many more updates on
// record and with an exception of this kind.
func (w *acme) ofUpdates(t *testing.T, repo *ghsim.Repo, more int, exception string, happens func()) reading {
	before := len(w.updates(t, repo))
	return reading{
		happens: happens,
		wrong: func() string {
			next, err := w.server.store.NextRun(t.Context())
			mustDo(t, err)
			soon := !next.IsZero() && next.Before(w.now().Add(10*time.Minute))
			if len(w.updates(t, repo)) == before && len(w.found(t, repo)) == 0 && !soon {
				return "nothing is on record, and nobody will look again"
			}
			return ""
		},
		right: func() bool {
			return len(w.updates(t, repo)) == before+more && slices.Contains(w.found(t, repo), exception)
		},
	}
}

// readsOfABranch is a merge and then a push past everything, to a branch that is followed.
func readsOfABranch(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo, _ := w.merged(t, name, "squash")
		pr := w.readyPull(t, repo, "second")
		return w.ofUpdates(t, repo, 2, "direct-push high", func() {
			mustDo(t, pr.Merge(w.alice, "merge"))
			repo.Unprotect("main", w.carol)
			repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
		})
	}
}

// readsOfANewBranch is a release branch that is made from a commit that was on no enrolled one.
func readsOfANewBranch(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo := w.guardedRepo(name, strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1))
		mustDo(t, w.readyPull(t, repo, "one").Merge(w.alice, "squash"))
		w.mustSettle(t)
		return w.ofUpdates(t, repo, 1, "direct-push high", func() {
			repo.Push("release/1", w.carol, ghsim.Commit{Message: "odd", Files: map[string]string{"a": "a\n"}})
		})
	}
}

// readsOfABranchSeenFirst is the first push to a branch since the App is there.
func readsOfABranchSeenFirst(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo := w.repository(slug(name), shopPolicy)
		return w.ofUpdates(t, repo, 1, "direct-push high", func() {
			repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
		})
	}
}

// readsOfAHistory is what reached a branch before it was enrolled: under another name, and with its
// beginning forgotten by GitHub.
func readsOfAHistory(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo := w.old(slug(name), "master")
		w.mergedBefore(t, repo, "one", "squash")
		repo.RenameBranch("master", "main", w.carol)
		repo.Push("main", w.carol, file("two"))
		history := func() (whole bool, updates int) {
			list, err := w.server.store.Tenant(w.org.ID()).Backfills(t.Context(), repo.ID())
			mustDo(t, err)
			whole = len(list) == 2
			for _, b := range list {
				whole, updates = whole && !b.DoneAt.IsZero() && b.Why == "", updates+b.Updates
			}
			return whole, updates
		}
		const all = 6 // made, merged, renamed in two halves, pushed, enrolled
		return reading{
			happens: func() { w.enrol(repo, "main") },
			wrong: func() string {
				if whole, updates := history(); whole && updates != all {
					return "the history is called whole"
				}
				return ""
			},
			again: func() {
				repo.Push("main", w.carol, file("three"))
				mustDo(t, w.sim.Drain(t.Context()))
				_, err := w.server.store.Tenant(w.org.ID()).AskBackfills(t.Context(), repo.ID(), w.now().AddDate(-1, 0, 0))
				mustDo(t, err)
			},
			right: func() bool {
				whole, _ := history()
				return whole
			},
		}
	}
}

// readsOfAnAttestation is an owner who attests.
func readsOfAnAttestation(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo, _ := w.rulesetRepo(name)
		w.later(time.Minute) // so that there are not too many of them
		attested := func() error {
			_, err := w.attestAs(t, w.carol.Token(), repo.FullName())
			return err
		}
		var first error
		return reading{
			happens: func() { first = attested() },
			wrong: func() string {
				if first == nil {
					return "it was recorded"
				}
				return ""
			},
			right: func() bool { return first == nil || attested() == nil },
		}
	}
}

// readsAtTheStart is a server that starts again. It asks who it is only to log it.
func readsAtTheStart(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		pr := w.untested(name)
		w.test(pr, "success")
		occasion := w.ofPull(&pr, func() {
			w.restart(t)
			pr.Approve(w.bob)
		})
		occasion.wrong = func() string { return "" }
		return occasion
	}
}

// readsOfTheScope is the day's look at which repositories there are.
func readsOfTheScope(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo := w.org.Repo(slug(name), ghsim.RepoSpec{By: w.carol})
		w.mustSettle(t)
		scopes := func() (list []store.Scope) {
			mustDo(t, w.server.store.Tenant(w.org.ID()).Records(t.Context(), w.leaves(t), []string{store.LeafScope}, func(_, _, body []byte) error {
				list = append(list, store.Scope{})
				return json.Unmarshal(body, &list[len(list)-1])
			}))
			return list
		}
		before := len(scopes())
		return reading{
			happens: func() { w.later(25 * time.Hour) },
			wrong: func() string {
				if slices.ContainsFunc(scopes()[before:], func(s store.Scope) bool { return s.Complete }) {
					return "it is called complete"
				}
				return ""
			},
			right: func() bool {
				return slices.ContainsFunc(scopes()[before:], func(s store.Scope) bool {
					return s.Complete && slices.ContainsFunc(s.Repositories, func(r store.ScopeRepository) bool { return r.ID == repo.ID() })
				})
			},
		}
	}
}

// readsOfWhatIsOpen is a comparison with GitHub that finds what no event told of.
func readsOfWhatIsOpen(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		var pr pull
		occasion := w.ofPull(&pr, func() {
			w.app.Hooks().Drop(func(string, string) bool { return true })
			pr = w.copilotPull(fmt.Sprint("untold ", name))
			mustDo(t, w.sim.Drain(t.Context()))
			w.app.Hooks().Drop(nil)
			w.later(15 * time.Minute)
			mustDo(t, w.server.store.ReconcileAll(t.Context(), w.now()))
		})
		occasion.again = nil
		occasion.right = func() bool { return w.check(pr, "countersign").Status == held }
		return occasion
	}
}

// readsOfTheFirstDay is a report of what was merged where nothing was decided.
func readsOfTheFirstDay(_ *testing.T, w *acme) beginning {
	return func(t *testing.T, name string) reading {
		repo := w.old(slug(name), "main")
		w.mergedBefore(t, repo, "one", "squash")
		w.mustSettle(t)
		w.later(time.Minute) // times of reports are whole seconds
		began, tenant := w.now(), w.server.store.Tenant(w.org.ID())
		ask := func() { mustDo(t, tenant.AskFirstDay(t.Context())) }
		said := func() (of policy.FirstDayBranch, whole bool) {
			r, err := tenant.FirstDay(t.Context())
			if errors.Is(err, store.ErrNotFound) || err == nil && r.At.Before(began.Truncate(time.Second)) {
				return of, false
			}
			mustDo(t, err)
			return *r.Branch(repo.FullName(), "main"), len(r.Unread) == 0
		}
		return reading{
			happens: ask,
			wrong: func() string {
				if of, whole := said(); whole && of.Looked == 0 {
					return "it is called whole"
				}
				return ""
			},
			again: ask,
			right: func() bool {
				of, whole := said()
				return whole && of.Looked == 1 && w.settled(t)
			},
		}
	}
}
