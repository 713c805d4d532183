package policy

import "slices"

// ChangedBetween says in which files two net diffs of one pull request differ, sorted; none
// means that they change the same things, wherever in the files that is.
//
// A file is the same when its path, previous path and status are, and either the blob at the
// head or the patch without hunk positions is. A patch that GitHub left out is the same as
// nothing. Modes are compared when modes is set, and one that was not read differs: a file
// with the same content can become executable, or a symbolic link.
func ChangedBetween(before, now []File, modes bool) []string {
	held := make(map[string]*File, len(before))
	for i := range before {
		held[before[i].Path] = &before[i]
	}
	var changed []string
	for i := range now {
		file := &now[i]
		if old := held[file.Path]; old == nil || !old.same(file, modes) {
			changed = append(changed, file.Path)
		}
		delete(held, file.Path)
	}
	for path := range held {
		changed = append(changed, path)
	}
	slices.Sort(changed)
	return changed
}

// same reports whether a file is changed in the same way in two net diffs.
func (f *File) same(g *File, modes bool) bool {
	if f.Path != g.Path || f.Previous != g.Previous || f.Status != g.Status {
		return false
	}
	if modes && f.Status != "removed" && (f.Mode == "" || f.Mode != g.Mode) {
		return false
	}
	return f.Blob != "" && f.Blob == g.Blob || f.PatchSHA256 != "" && f.PatchSHA256 == g.PatchSHA256
}

// carried says whether an approval of an earlier head covers the head, because the change is
// the same file by file; when it does not, why not.
func (j *judgement) carried(sha string) (is bool, why string) {
	e := j.f.earlier(sha)
	switch {
	case e == nil:
		return false, "was for an older commit, " + shortSHA(sha)
	case e.BaseRef != j.f.Change.BaseRef:
		return false, "was for the changes against another branch, " + shorten(e.BaseRef, 100)
	case !e.Files.Complete || !j.f.Files.Complete:
		return false, "was for an older commit, " + shortSHA(sha) + ", and not all files could be compared"
	}
	changed := ChangedBetween(e.Files.Items, j.f.Files.Items, false)
	if len(changed) == 0 { // modes are only read then
		changed = ChangedBetween(e.Files.Items, j.f.Files.Items, true)
	}
	if len(changed) == 0 {
		return true, "approved " + shortSHA(sha) + ", and the change is the same since, file by file"
	}
	return false, "was for an older commit, " + shortSHA(sha) + "; changed since: " + listed(shortenAll(changed, 150), 5)
}

// earlier is what is known of an earlier head, nil when nothing is.
func (f *Facts) earlier(sha string) *EarlierHead {
	for i := range f.Earlier {
		if f.Earlier[i].SHA == sha && sha != "" {
			return &f.Earlier[i]
		}
	}
	return nil
}

// origin is the earliest head with the same change as the head, and the sequence of its last
// push. Whoever pushed after it, to update the branch or to rebase it, has brought nothing
// into the change that was not there. Nil: nothing like that is known.
func (f *Facts) origin() (first *EarlierHead, until int64) {
	if !f.Files.Complete {
		return nil, 0
	}
	for i := range f.Earlier {
		e := &f.Earlier[i]
		seq := int64(0)
		for _, p := range f.Pushes {
			if p.After == e.SHA {
				seq = max(seq, p.Seq)
			}
		}
		if seq == 0 || first != nil && seq >= until || e.BaseRef != f.Change.BaseRef || !e.peopleKnown() || !e.Files.Complete {
			continue
		}
		if len(ChangedBetween(e.Files.Items, f.Files.Items, true)) == 0 {
			first, until = e, seq
		}
	}
	return first, until
}

// peopleKnown reports whether everybody who wrote the commits of an earlier head is known.
func (e *EarlierHead) peopleKnown() bool {
	return e.Commits.Complete && len(e.Commits.Items) > 0 &&
		!slices.ContainsFunc(e.Commits.Items, func(c Commit) bool { return !c.CoAuthorsComplete })
}

// contentOf are the traces of what the change consists of: those of the earliest head with the
// same change, when one is known, else all. A push or commit that left the change as it was
// makes nobody its author.
func contentOf(f *Facts, t Traces) Traces {
	e, until := f.origin()
	if e == nil {
		return t
	}
	t.Commits = e.Commits.Items
	t.Pushes = slices.DeleteFunc(slices.Clone(t.Pushes), func(p Push) bool { return p.Seq > until })
	return t
}
