package worker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

const (
	// marksAtOnce is how many pull requests of a repository one look marks, and how many branches:
	// what was not heard of for long must not make what happens now wait.
	marksAtOnce = 50
	// renewAfter is how old a check run that is not completed may get. After 14 days GitHub calls it
	// stale.
	renewAfter = 12 * 24 * time.Hour
	// passesFor is how long a decision lets a change pass without another look. What would take that
	// back may be an event that never came: of a team, a policy, a review.
	passesFor = 24 * time.Hour
)

// looking is one look at one repository.
type looking struct {
	*reconciler
	repo     store.Reconcilable
	at       gh.Repo
	open     facts.Open
	known    map[int]store.OpenChange
	followed []store.Branch
	main     facts.BranchPolicy // of the default branch, which says which branches are enrolled
	out      store.Looked
	seen     Look
}

// look compares a repository with GitHub, and marks what is missing.
func (r *reconciler) look(ctx context.Context, repo store.Reconcilable) (Look, error) {
	l := &looking{reconciler: r, repo: repo, at: repoOf(repo.Repository), seen: Look{Repository: repo.Repository}}
	if err := l.read(ctx); err != nil {
		return l.seen, err
	}
	l.seen.Repository, l.seen.OpenPulls, l.seen.Complete = l.open.FullName, len(l.open.Pulls), l.open.Complete
	l.out = store.Looked{RepoID: repo.RepoID, InstallationID: l.installation, Repository: l.open.FullName, OpenPulls: len(l.open.Pulls), Complete: l.open.Complete, By: l.by}
	enrolled, err := l.enrolled(ctx)
	if err == nil && enrolled {
		l.seen.Enrolled = true
		err = l.compare(ctx)
	}
	if err != nil {
		return l.seen, err
	}
	l.out.NextAt = l.Now().Add(reconcileEvery)
	if l.seen.Young > 0 || l.seen.More {
		l.out.NextAt = l.Now().Add(reconcilePatience)
	}
	l.seen.Found, err = l.tenant.RecordReconcile(ctx, l.out)
	return l.seen, err
}

// read reads what is on record, and then what GitHub has. In this order: what is recorded meanwhile
// is not mistaken for missing, since GitHub's answer is as new.
func (l *looking) read(ctx context.Context) (err error) {
	if l.known, err = l.tenant.OpenChanges(ctx, l.repo.RepoID); err != nil {
		return err
	}
	if l.followed, err = l.tenant.Branches(ctx, l.repo.RepoID); err != nil {
		return err
	}
	if l.open, err = facts.ReadOpen(ctx, l.client, l.at, l.App.ID); err != nil {
		return err
	}
	if l.open.ID != l.repo.RepoID {
		return fmt.Errorf("the name %s now belongs to repository %d: %w", l.repo.Repository, l.open.ID, gh.ErrNotFound)
	}
	l.at = repoOf(l.open.FullName)
	return nil
}

// enrolled says whether any policy is about the repository, or was: most repositories of a large
// organisation may have none, and nothing is said of their pull requests.
func (l *looking) enrolled(ctx context.Context) (bool, error) {
	if l.above == nil {
		above, err := facts.ReadOrganisationPolicy(ctx, l.client, l.at.Owner)
		if err != nil {
			return false, err
		}
		l.above = &above
	}
	decided := func(c store.OpenChange) bool { return c.Decided }
	return l.open.HasPolicy || l.above.There() || len(l.followed) > 0 || slices.ContainsFunc(slices.Collect(maps.Values(l.known)), decided), nil
}

func (l *looking) compare(ctx context.Context) (err error) {
	if main := l.open.DefaultBranch; main != "" {
		if l.main, err = facts.ReadBranchPolicy(ctx, l.client, l.at, *l.above, "refs/heads/"+main, main); err != nil {
			return err
		}
	}
	open := map[int]bool{}
	for _, p := range l.open.Pulls {
		open[p.Number] = true
		if err := l.pull(ctx, p); err != nil {
			return err
		}
	}
	for _, number := range slices.Sorted(maps.Keys(l.known)) {
		if !open[number] && l.open.Complete {
			l.closed(l.known[number])
		}
	}
	if err := l.groups(ctx); err != nil {
		return err
	}
	l.branches()
	return nil
}

// mark is that of a subject of the repository.
func (l *looking) mark(kind string, number int, ref string) store.Mark {
	return store.Mark{Kind: kind, OrgID: l.tenant.OrgID(), InstallationID: l.installation, RepoID: l.repo.RepoID, Repository: l.open.FullName, Number: number, Ref: ref, Noisy: true}
}

// found has a pull request looked at, for what was missing about it; nothing: it is only looked at.
func (l *looking) found(number int, run *store.PublishedRun, f store.Found) {
	if len(l.out.Look) >= marksAtOnce {
		l.seen.More = true
		return
	}
	if f.What != "" {
		f.Number = number
	}
	l.out.Look = append(l.out.Look, store.ToLook{Found: f, Mark: l.mark(store.KindEvaluate, number, ""), Run: run})
}

// pull compares an open pull request with what is on record of it.
func (l *looking) pull(ctx context.Context, p facts.OpenPull) error {
	known, told := l.known[p.Number]
	if told && known.Underway {
		return nil
	}
	if told && known.Run != nil && known.Run.HeadSHA == p.HeadSHA {
		if done, err := l.run(ctx, p, *known.Run); err != nil || done {
			return err
		}
	}
	if l.Now().Sub(p.ChangedAt) < reconcilePatience && (!told || changedSince(p, known)) {
		l.seen.Young++
		return nil
	}
	if missing, look := l.missing(p, known, told); look {
		l.found(p.Number, nil, missing)
	}
	l.queued(p)
	return nil
}

// missing says what is missing about a pull request, and whether it is to be looked at. It may be
// without anything missing that could be named.
func (l *looking) missing(p facts.OpenPull, known store.OpenChange, told bool) (f store.Found, look bool) {
	f = store.Found{Ref: p.BaseRef, HeadSHA: p.HeadSHA}
	switch {
	case !told:
		f.What = store.FoundPull
	case known.HeadSHA != p.HeadSHA:
		f.What, f.OnRecord, f.OnGitHub = store.FoundHead, known.HeadSHA, p.HeadSHA
	case known.BaseRef != p.BaseRef:
		f.What, f.OnRecord, f.OnGitHub = store.FoundBase, known.BaseRef, p.BaseRef
	case changedSince(p, known):
		// That may be nothing, as a comment is, or a review that nobody told of: who looks knows.
		return store.Found{}, true
	case known.Passed && l.Now().Sub(known.LookedAt) >= passesFor:
		return store.Found{}, true
	default:
		return store.Found{}, !known.Decided && l.enrols(p.BaseRef)
	}
	return f, true
}

// changedSince says whether a pull request may have changed after the last look at it began. GitHub's
// clock counts seconds.
func changedSince(p facts.OpenPull, known store.OpenChange) bool {
	return !p.ChangedAt.Before(known.LookedAt.Truncate(time.Second))
}

// queued has the merge queue of a pull request looked at, which finds the groups in it.
func (l *looking) queued(p facts.OpenPull) {
	if !p.Queued {
		return
	}
	m := l.mark(store.KindQueue, 0, p.BaseRef)
	same := func(o store.ToLook) bool { return o.Mark.Kind == store.KindQueue && o.Mark.Ref == p.BaseRef }
	if !slices.ContainsFunc(l.out.Look, same) {
		l.out.Look = append(l.out.Look, store.ToLook{Mark: m, Found: store.Found{What: store.FoundQueue, Number: p.Number, Ref: p.BaseRef, HeadSHA: p.HeadSHA}})
	}
}

// closed has a pull request looked at that GitHub does not list as open any more.
func (l *looking) closed(known store.OpenChange) {
	at, lately := l.open.ClosedAt[known.Number]
	switch {
	case known.Underway:
	case lately && l.Now().Sub(at) < reconcilePatience:
		l.seen.Young++
	default:
		l.found(known.Number, nil, store.Found{What: store.FoundClosing, Ref: known.BaseRef, HeadSHA: known.HeadSHA})
	}
}

// run compares our check run on a head with what was published there. It says whether the pull
// request is marked for that.
func (l *looking) run(ctx context.Context, p facts.OpenPull, published store.PublishedRun) (bool, error) {
	at := slices.IndexFunc(p.Runs, func(r facts.OurRun) bool { return r.Name == published.CheckName })
	if at >= 0 && p.RunsKnown {
		r := p.Runs[at]
		same := r.ExternalID == published.RecordID && strings.EqualFold(r.Status, published.Status) && strings.EqualFold(r.Conclusion, published.Conclusion)
		if same && (strings.EqualFold(r.Status, "completed") || l.Now().Sub(r.StartedAt) < renewAfter) {
			return false, nil
		}
		if same { // before GitHub gives it up
			l.found(p.Number, &published, store.Found{})
			return true, nil
		}
	}
	missing, err := l.differs(ctx, published)
	if err != nil || missing.What == "" {
		return false, err
	}
	missing.Ref = p.BaseRef
	l.found(p.Number, &published, missing)
	return true, nil
}

// differs asks once more for the check run that was published, by itself, and says how it is not as
// it should be; nothing: it is.
func (l *looking) differs(ctx context.Context, published store.PublishedRun) (store.Found, error) {
	runs, err := l.client.CheckRunsNamed(ctx, l.at, published.HeadSHA, published.CheckName, l.App.ID)
	if err != nil {
		return store.Found{}, err
	}
	f := store.Found{What: store.FoundRunMissing, HeadSHA: published.HeadSHA, CheckName: published.CheckName, OnRecord: runState(published.Status, published.Conclusion)}
	if len(runs) == 0 {
		return f, nil
	}
	newest := slices.MaxFunc(runs, func(a, b gh.CheckRun) int { return cmp.Compare(a.ID, b.ID) })
	if newest.ID == published.GitHubID && newest.Status == published.Status && newest.Conclusion == published.Conclusion {
		return store.Found{}, nil
	}
	f.What, f.OnGitHub = store.FoundRunDiffers, runState(newest.Status, newest.Conclusion)
	return f, nil
}

func runState(status, conclusion string) string {
	return strings.TrimSuffix(strings.TrimSpace(status+", "+conclusion), ",")
}

// groups compares our check runs on the commits of merge groups.
func (l *looking) groups(ctx context.Context) error {
	runs, err := l.tenant.GroupRuns(ctx, l.repo.RepoID)
	if err != nil {
		return err
	}
	for _, run := range runs {
		missing, err := l.differs(ctx, run)
		if err != nil {
			return err
		}
		if missing.What != "" {
			l.out.Look = append(l.out.Look, store.ToLook{Found: missing, Run: &run})
		}
	}
	return nil
}

// branches has those looked at that are followed, which compares what reached them and how they are
// protected, and those that the policy of the default branch names and nobody follows yet.
func (l *looking) branches() {
	followed := map[string]bool{}
	for _, b := range l.followed {
		followed[b.Ref] = true
		l.out.Look = append(l.out.Look, store.ToLook{Mark: l.mark(store.KindBranch, 0, b.Ref)})
	}
	l.seen.Followed = len(l.followed)
	var silent []string
	for _, ref := range l.open.Branches {
		if l.enrols(ref) && !followed[ref] {
			silent = append(silent, ref)
		}
	}
	for _, ref := range some(silent) {
		l.out.Look = append(l.out.Look, store.ToLook{Mark: l.mark(store.KindBranch, 0, ref)})
	}
}

// enrols says whether the policy of the default branch names a branch.
func (l *looking) enrols(ref string) bool {
	_, ok := l.main.Policy.Lane(ref)
	return ok
}

// some are as many of a list as one look marks, each time others. Some of them may never be followed,
// because they have no policy of their own, and must not stand before all others.
func some(list []string) []string {
	list = slices.Clone(list)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(len(list), marksAtOnce)]
}
