package facts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

const (
	// maxEarlier is how many approved heads are compared with the head. One usually is: of
	// several only the newest approvals matter.
	maxEarlier = 5
	// maxModes is in how many files two heads are compared at all.
	maxModes = 300
	// modesAtOnce is how many files one query asks about.
	modesAtOnce = 100
)

// addEarlier adds the heads that were approved before, with what was recorded of them, so that
// the policy can see whether the change is the same since. File modes are read only where
// everything else is the same, and once: what git has under a commit never changes.
func addEarlier(ctx context.Context, client *gh.Client, req Request, f *policy.Facts) error {
	for _, approved := range approvedBefore(f) {
		recorded, id, err := req.RecordedAt(ctx, approved.sha, approved.at)
		if err != nil {
			return fmt.Errorf("what was recorded of %.12s: %w", approved.sha, err)
		}
		if recorded == nil {
			continue
		}
		e := policy.EarlierHead{SHA: approved.sha, BaseRef: recorded.Change.BaseRef, RecordID: id, Files: recorded.Files, Commits: recorded.Commits}
		e.Files.Items = slices.Clone(recorded.Files.Items)
		f.Earlier = append(f.Earlier, e)
	}
	remembered := sync.OnceValues(func() (*policy.Facts, error) {
		recorded, _, err := req.RecordedAt(ctx, f.Change.HeadSHA, req.Now)
		return recorded, err
	})
	for i := range f.Earlier {
		e := &f.Earlier[i]
		same := e.Files.Complete && f.Files.Complete && len(policy.ChangedBetween(e.Files.Items, f.Files.Items, false)) == 0
		if !same || len(f.Files.Items) > maxModes {
			continue
		}
		recorded, err := remembered()
		if err != nil {
			return fmt.Errorf("what was recorded of %.12s: %w", f.Change.HeadSHA, err)
		}
		if recorded != nil {
			rememberModes(recorded, f, e)
		}
		if err := readModes(ctx, client, req, e.SHA, e.Files.Items); err != nil {
			return err
		}
		if err := readModes(ctx, client, req, f.Change.HeadSHA, f.Files.Items); err != nil {
			return err
		}
	}
	return nil
}

// approvedHead is a head and when the newest approval of it was received.
type approvedHead struct {
	sha string
	seq int64
	at  time.Time
}

// approvedBefore are the heads that approvals were received for and that are not the head, the
// newest approval first.
func approvedBefore(f *policy.Facts) []approvedHead {
	var out []approvedHead
	for i := range f.Reviews.Items {
		got := f.Reviews.Items[i].Received
		if got == nil || got.State != "approved" || got.CommitSHA == f.Change.HeadSHA || got.CommitSHA != got.HeadSHA || got.BaseRef != f.Change.BaseRef {
			continue
		}
		out = append(out, approvedHead{got.CommitSHA, got.Seq, got.ReceivedAt})
	}
	slices.SortFunc(out, func(a, b approvedHead) int { return cmp.Compare(b.seq, a.seq) })
	seen := map[string]bool{}
	out = slices.DeleteFunc(out, func(h approvedHead) bool {
		known := seen[h.sha]
		seen[h.sha] = true
		return known
	})
	return out[:min(len(out), maxEarlier)]
}

// rememberModes fills in the modes that an evaluation of the same head has read before.
func rememberModes(recorded, f *policy.Facts, e *policy.EarlierHead) {
	copyModes(f.Files.Items, recorded.Files.Items)
	for i := range recorded.Earlier {
		if recorded.Earlier[i].SHA == e.SHA {
			copyModes(e.Files.Items, recorded.Earlier[i].Files.Items)
		}
	}
}

// copyModes copies the modes of files from another list about the same commit.
func copyModes(into, from []policy.File) {
	known := map[string]policy.File{}
	for _, file := range from {
		known[file.Path] = file
	}
	for i := range into {
		if file := known[into[i].Path]; into[i].Mode == "" && file.Blob == into[i].Blob {
			into[i].Mode = file.Mode
		}
	}
}

// readModes fills in the modes of files at a commit, of those that lack one. A file that
// GitHub does not show there keeps none, and is then not the same.
func readModes(ctx context.Context, client *gh.Client, req Request, sha string, files []policy.File) error {
	var missing []int
	for i := range files {
		if files[i].Mode == "" && files[i].Status != "removed" {
			missing = append(missing, i)
		}
	}
	for chunk := range slices.Chunk(missing, modesAtOnce) {
		vars := map[string]any{"owner": req.Repo.Owner, "name": req.Repo.Name, "sha": sha}
		for n, i := range chunk {
			vars[fmt.Sprintf("p%d", n)] = files[i].Path
		}
		var answer struct {
			Repository *struct {
				Object map[string]*struct {
					Mode int    `json:"mode"`
					OID  string `json:"oid"`
				} `json:"object"`
			} `json:"repository"`
		}
		if err := client.GraphQL(ctx, modesQuery(len(chunk)), vars, &answer); err != nil {
			return fmt.Errorf("read file modes of %s/%s at %.12s: %w", req.Repo.Owner, req.Repo.Name, sha, err)
		}
		if answer.Repository == nil {
			return fmt.Errorf("read file modes of %s/%s at %.12s: %w", req.Repo.Owner, req.Repo.Name, sha, gh.ErrNotFound)
		}
		for n, i := range chunk {
			// The blob must be the one that the list of files names, or this is another file.
			if entry := answer.Repository.Object[fmt.Sprintf("f%d", n)]; entry != nil && entry.OID == files[i].Blob {
				files[i].Mode = fmt.Sprintf("%06o", entry.Mode)
			}
		}
	}
	return nil
}

// modesQuery asks for the entries of n paths in a commit's tree. Paths are variables: they are
// whatever somebody called a file.
func modesQuery(n int) string {
	var declared, asked strings.Builder
	for i := range n {
		fmt.Fprintf(&declared, ", $p%d: String!", i)
		fmt.Fprintf(&asked, " f%d: file(path: $p%d) { mode oid }", i, i)
	}
	return "query Modes($owner: String!, $name: String!, $sha: GitObjectID!" + declared.String() + ") { repository(owner: $owner, name: $name) { object(oid: $sha) { ... on Commit {" + asked.String() + " } } } }"
}
