// Package facts asks GitHub for everything that the policy may need to know about one
// pull request at one head SHA, and returns it as a policy.Facts value, whole or an error.
//
// It reads and never writes. It does not judge: a missing approval is a fact, not an
// error. What GitHub answers is held against what its own deliveries already told us:
// an answer that is behind them is ErrBehind, never facts.
package facts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// ErrBehind: a delivery told us of something that the API does not show yet.
var ErrBehind = errors.New("GitHub's API is behind its own webhooks")

// NotEnrolledError: the governing base has no policy, or its policy does not name the branch.
type NotEnrolledError struct {
	Change policy.Change
	Why    string
}

func (e *NotEnrolledError) Error() string { return "not enrolled: " + e.Why }

// PolicyError is a policy file that cannot be used. The subject is known as far as
// GitHub told, so that the check run can say where the policy is broken.
type PolicyError struct {
	Change policy.Change
	Layer  policy.PolicyLayer
	Source []byte
	Err    *policy.ParseError
	// Claim is how the branch's own policy enrols it, when that much is known.
	Claim policy.Enrolment
}

func (e *PolicyError) Error() string {
	return fmt.Sprintf("policy %s of %s at %s: %v", e.Layer.Path, e.Layer.Repository, e.Layer.Ref, e.Err)
}

func (e *PolicyError) Unwrap() error { return e.Err }

// Request says what to read, and what is already known of it.
type Request struct {
	Repo           gh.Repo
	RepositoryID   int64 // 0: whichever repository has the name
	InstallationID int64
	Number         int
	// App is our own App: its check runs are not validations.
	App policy.App
	// Head and Base are where the newest delivery says that the pull request is: a
	// guess that lets everything be read at once, corrected by what GitHub answers.
	Head string
	Base string
	Now  time.Time
	// Known is what deliveries said.
	Known Known
	// PushesOf are the pushes that made a commit the tip of the head branch, as their
	// deliveries said. It is asked for every commit of the pull request, because whoever
	// pushed before the pull request was opened is behind the change as well.
	PushesOf func(ctx context.Context, sha string) ([]policy.Push, error)
	// ProposalsOf say which branches a commit was proposed for as the head of any pull request,
	// as deliveries said.
	ProposalsOf func(ctx context.Context, sha string) ([]Proposal, error)
	// PushesTo are the pushes to a branch that deliveries told of since a commit was first heard of.
	PushesTo func(ctx context.Context, branch, since string) ([]policy.Push, error)
	// CommentsOn are the comments on a pull request or issue and the assignments of it, as
	// their deliveries said, in order of receipt.
	CommentsOn func(ctx context.Context, number int) ([]Comment, error)
	// Attested is what an owner attested of a ruleset's bypass list; nil when nobody did.
	Attested func(ctx context.Context, rulesetID int64) (*policy.AttestedBypass, error)
	// RecordedAt is what was recorded of an earlier head of the pull request that was reviewed
	// at a time: the facts of a decision about it, and that decision's id. Nil: nothing was.
	RecordedAt func(ctx context.Context, headSHA string, reviewed time.Time) (*policy.Facts, string, error)
	// Draft is a policy file to judge by in place of the one of the governing base, as if it were on
	// the default branch too; nil: by what is there.
	Draft []byte
	// Beginning is the policy to judge by where no policy enrols the default branch and the repository
	// has none of its own, by the branch's name; nil: there is none, and such a change is not enrolled.
	Beginning func(branch string) []byte
	// LastPolicy is what was kept of the last policy that a change was judged by under a
	// governing branch of the repository; nil: there was none.
	LastPolicy func(ctx context.Context, governingRef string) ([]byte, error)
}

// Proposal is a pull request that goes, or went, to a branch.
type Proposal struct {
	Number int
	Base   string
}

// Collected is the facts together with the policy they are to be judged by.
type Collected struct {
	Facts  policy.Facts
	Policy *policy.Policy
	// PolicySource is what is to be kept of the policy: see policy.EncodeLayers.
	PolicySource []byte
	// Organisation is the organisation's policy; nil when there is none.
	Organisation *policy.Policy
	// Beginning is true when it is to be judged by Request.Beginning.
	Beginning bool
	Catalogue *policy.Catalogue
	// FirstPermissions are the roles of reviewers whose review had no recorded role
	// yet, by review id: to be kept as the role at the time of the review.
	FirstPermissions map[int64]string
	// FirstMembers say, by the key of a declaration of an emergency, whether its author was in
	// the emergency team, of those that were not recorded yet: to be kept.
	FirstMembers map[int64]string
}

// aim is where the reading points: a head SHA and the branch that governs it.
type aim struct{ head, base string }

// maxTries bounds how often the reading starts again because the pull request moved
// under it.
const maxTries = 3

// Collect reads the facts about one pull request.
//
// Errors: *NotEnrolledError, *PolicyError, ErrBehind, and the sentinels of package gh.
func Collect(ctx context.Context, client *gh.Client, req Request) (Collected, error) {
	reads := &gh.Reads{}
	ctx = gh.WithReads(ctx, reads)
	at := aim{head: req.Head, base: req.Base}
	for range maxTries {
		first, err := readFirst(ctx, client, req, at)
		if err != nil {
			return Collected{}, err
		}
		if actual := first.aim(); actual != at {
			at = actual
			continue
		}
		known := req.Known
		if at.head != req.Head {
			// They were said of the old head. A push whose delivery is lost or late has no
			// results to look for, and must not wait for those in vain.
			known.Checks, known.Statuses = nil, nil
		}
		if err := known.notBehind(first, req.Now); err != nil {
			return Collected{}, err
		}
		return finish(ctx, client, req, first, reads)
	}
	return Collected{}, fmt.Errorf("%w: the pull request moved %d times while it was read", ErrBehind, maxTries)
}

// finish reads what depends on the first reading and puts the facts together.
func finish(ctx context.Context, client *gh.Client, req Request, first *firstReading, reads *gh.Reads) (Collected, error) {
	use, err := usePolicy(ctx, req, first)
	if err != nil {
		return Collected{}, err
	}
	confirmed, err := confirmEnrolment(ctx, client, req, first, use)
	if err != nil {
		return Collected{}, err
	}
	if confirmed != nil {
		use.layers = append(use.layers, *confirmed)
	}
	pol := use.policy
	catalogue := policy.Builtin().With(pol.Agents)
	second, err := readSecond(ctx, client, req, first, pol)
	if err != nil {
		return Collected{}, err
	}
	pushes, err := first.pushes(ctx, req)
	if err != nil {
		return Collected{}, err
	}
	calls, err := first.calls(ctx, req, catalogue)
	if err != nil {
		return Collected{}, err
	}
	f := policy.Facts{
		V:           policy.FactsVersion,
		CollectedAt: req.Now.UTC().Truncate(time.Microsecond),
		EvaluatedAt: req.Now.UTC().Truncate(time.Microsecond),
		App:         req.App,
		Repository:  first.repository(req),
		Change:      first.change(catalogue),
		Commits:     first.commits(catalogue),
		Pushes:      pushes,
		Assignments: first.assignments(),
		Validations: validations(req.App, first.aim().head, first, second),
		Files:       first.fileList(),
		Protection:  protection(first.aim().base, first.answer.Repository.Base, first.rules, second),
		Teams:       second.teams,
		Policy:      use.layers,
		Workflows:   second.workflows,
		Calls:       calls,
		Issues:      first.issues(),
		Broken:      use.broken,
	}
	f.Change.Tickets = pol.TicketsIn(first.answer.Repository.PullRequest.Title, first.answer.Repository.PullRequest.Body, f.Change.HeadRef)
	proposals, err := first.proposals(ctx, req)
	if err != nil {
		return Collected{}, err
	}
	f.Change.OtherBases = otherBases(proposals, f.Change.BaseRef)
	if f.Stack, err = readStack(ctx, client, req, &f, proposals); err != nil {
		return Collected{}, err
	}
	var firstPermissions map[int64]string
	f.Reviews, firstPermissions = first.reviews(req, second)
	f.Declarations = req.Known.declarations(pol, second)
	f.Confirmations = req.Known.Confirmations
	if !f.Change.Draft {
		f.Change.ReadyAt = req.Known.ReadyAt
	}
	if err := addAttested(ctx, req.Attested, &f.Protection); err != nil {
		return Collected{}, err
	}
	if f.Proposed, err = proposedPolicy(ctx, client, req, first); err != nil {
		return Collected{}, err
	}
	if err := addEarlier(ctx, client, req, &f); err != nil {
		return Collected{}, err
	}
	f.Sources = Sources(reads)
	return Collected{
		Facts: f, Policy: pol, PolicySource: use.kept, Organisation: use.organisation, Beginning: use.beginning,
		Catalogue: catalogue, FirstPermissions: firstPermissions,
		FirstMembers: req.Known.firstMembers(f.Declarations),
	}, nil
}

// Sources says where facts were read.
func Sources(reads *gh.Reads) []policy.Source {
	var list []policy.Source
	for _, r := range reads.List() {
		list = append(list, policy.Source{Part: partOf(r.Route), Route: r.Route, At: r.At.UTC().Truncate(time.Microsecond), Revalidated: r.Revalidated})
	}
	return list
}
