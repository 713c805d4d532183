package store

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"

	"github.com/countersign/countersign/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The bodies of leaves are evidence: names and order stay as they are.
func TestBodiesGolden(t *testing.T) {
	digest := func(c string) string { return strings.Repeat(c, 64) }
	for name, body := range map[string]any{
		"decision.golden": decisionBody{V: decisionBodyVersion, RecordID: "00000000-0000-4000-8000-000000000000", RepositoryID: repo, Number: 1,
			HeadSHA: "h1", CheckName: "countersign", FactsSHA256: digest("a"), PolicySHA256: digest("b"), CatalogueSHA256: digest("c"),
			DecisionSHA256: digest("d"), Repository: "acme/app", BaseRef: "main", Verdict: "fail", Severity: 2, Final: true, Note: "<note>"},
		"observations.golden": observationsBody{V: observationsBodyVersion, Observations: []observationSummary{{Seq: 1, DeliveryID: "d1",
			Event: "check_run", Action: "completed", ReceivedAt: 1763899200000000, RepositoryID: repo, Number: 1, HeadSHA: "h1",
			PayloadSHA256: digest("e"), BodySHA256: digest("f")}}},
		"protection.golden": protectionBody{V: protectionBodyVersion, RepositoryID: repo, Repository: "acme/app", Ref: "main", Holds: "no", Why: "why",
			Since: time.Unix(1763899200, 0).UTC(), Settings: json.RawMessage(`{"ref":"main"}`), Before: 3, BeforeSince: time.Unix(1763899100, 0).UTC()},
		"attestation.golden": Attestation{V: attestationVersion, RulesetID: 31, Ruleset: "main", Source: "Repository acme/app", UpdatedAt: time.Unix(1763899200, 0).UTC(),
			Actors: []AttestedActor{{Type: "Team", ID: 42, Mode: "pull_request"}}, ByID: 5, ByLogin: "carol", At: time.Unix(1763899300, 0).UTC(), Repository: "acme/app", RepositoryID: repo},
		"enrolment.golden": Enrolment{V: enrolmentVersion, State: EnrolmentBegun, RepositoryID: repo, Repository: "acme/app", Ref: "main", Mode: "enforce",
			From: time.Unix(1763899200, 0).UTC(), Tip: "h0", ActivityID: 9, Reason: "why", PolicySHA256: digest("b")},
		"scope.golden": Scope{V: scopeVersion, Organisation: "acme", Complete: true, Selection: "selected", PrivateRepositories: 4,
			Repositories: []ScopeRepository{{ID: repo, Repository: "acme/app", State: ScopeInstalled, Private: true, Archived: true, Branches: []ScopeBranch{{Ref: "main", Mode: "enforce"}}}}},
		"backfilled.golden": Backfilled{V: backfilledVersion, Update: policy.UpdateFacts{V: policy.UpdateVersion, RepositoryID: repo, Repository: "acme/app", Ref: "main", ID: 9, Type: policy.UpdateMerge,
			Before: "h0", After: "h1", At: time.Unix(1763899200, 0).UTC(), Actor: policy.Actor{ID: 5, Login: "carol"}, Descends: policy.Yes,
			Changes:      policy.List[policy.MergedChange]{Complete: true, Total: 1, Items: []policy.MergedChange{{Number: 1, HeadSHA: "h1"}}},
			FirstParents: policy.List[policy.FirstParentCommit]{Complete: true, Total: 1, Items: []policy.FirstParentCommit{{SHA: "h1", By: policy.ByPullRequest, Number: 1}}}}},
		"backfill.golden": BackfillRead{V: backfillReadVersion, RepositoryID: repo, Repository: "acme/app", Ref: "main", Since: time.Unix(1763899200, 0).UTC(),
			Until: time.Unix(1763899400, 0).UTC(), ReadFrom: time.Unix(1763899300, 0).UTC(), Why: "why", Updates: 3,
			Names: []BranchName{{Ref: "master", Until: time.Unix(1763899300, 0).UTC(), UntilID: 8}}},
		"reconcile.golden": Reconcile{V: reconcileVersion, RepositoryID: repo, Repository: "acme/app", First: true, OpenPulls: 4, Complete: true, By: Who{User: "root", Host: "h"},
			Found: []Found{{What: FoundHead, Number: 1, Ref: "main", HeadSHA: "h2", OnRecord: "h1", OnGitHub: "h2"},
				{What: FoundRunDiffers, Number: 2, HeadSHA: "h3", CheckName: "countersign", OnRecord: "completed, failure", OnGitHub: "completed, success"}}},
		"key-rotation.golden": keyRotationBody{V: keyRotationBodyVersion, Handover: "countersign key rotation/v1\nlog.example/7\n…"},
		"generation.golden": generationBody{V: generationBodyVersion, Origin: "log.example/7/2", Before: "log.example/7", LastCheckpoint: "log.example/7\n9\n…",
			LastSize: 9, Size: 5, LostFrom: time.Unix(1763899200, 0).UTC(), LostTo: time.Unix(1763899300, 0).UTC()},
		"hold.golden": LegalHold{V: holdVersion, ID: "00000000-0000-4000-8000-000000000000", Step: HoldPlaced, By: Who{User: "root", Host: "h"}, Reason: "why", RepoID: repo,
			Repository: "acme/app", Until: time.Unix(1763899300, 0).UTC(), At: time.Unix(1763899200, 0).UTC()},
		"disposal.golden": Disposal{V: disposalVersion, Reason: ReasonRetention, Why: "why", By: Who{User: "root", Host: "h"}, Before: time.Unix(1763899100, 0).UTC(),
			Records: 3, Kinds: map[string]int64{LeafDecision: 2, LeafDraw: 1}, Leaves: []ledger.Run{{0, 1}, {4, 4}}, Observations: 2, Seqs: []ledger.Run{{1, 2}}, Deliveries: 1,
			ReceivedFrom: time.Unix(1763899000, 0).UTC(), ReceivedTo: time.Unix(1763899001, 0).UTC(), Blobs: 1, At: time.Unix(1763899200, 0).UTC(), Signed: "countersign disposal/v1\n…"},
		"access.golden": Access{V: accessVersion, What: AccessExport, By: Who{User: "root", Host: "h", AccountID: 5, Login: "carol"}, Query: json.RawMessage(`{"from":"x"}`), LogSize: 9,
			ManifestSHA256: digest("a"), DrawLeaf: new(int64), At: time.Unix(1763899200, 0).UTC(),
			Stored: &Stored{Endpoint: "https://s3.example", Bucket: "evidence", Object: "7/b.zip", VersionID: "v1", SHA256: digest("b"), Bytes: 9, Mode: "COMPLIANCE", LockedUntil: time.Unix(1763899300, 0).UTC()}},
		"recovery.golden": Recovery{V: recoveryVersion, Rehearsal: true, By: Who{User: "root", Host: "h"}, BackupSHA256: digest("a"), BackupBytes: 8192, Leaves: 9,
			NewestAt: time.Unix(1763899100, 0).UTC(), TookMillis: 1500, At: time.Unix(1763899200, 0).UTC()},
		"exception.golden": Exception{V: exceptionVersion, ID: "00000000-0000-4000-8000-000000000000", Kind: "direct-push", Subject: "main h2",
			RepoID: repo, Repository: "acme/app", Number: 1, Ref: "main", SHA: "h2", RecordID: "r1", Severity: "high", State: ExceptionClosed,
			Reason: "why", Owner: "alice", Remediation: "reverted", OpenedAt: time.Unix(1763899200, 0).UTC(), DueAt: time.Unix(1763899300, 0).UTC(),
			ClosedAt: time.Unix(1763899400, 0).UTC(), Issue: 9, Step: "closed", By: "bob", OverdueAt: time.Unix(1763899350, 0).UTC(),
			KeepIssue: true, Escalate: true, CausedBy: 4, Involved: []int64{4, 6}, ByID: 5, OnGitHub: "closed", Escalated: true},
	} {
		got, err := json.Marshal(body)
		ok(t, err)
		golden(t, name, append(got, '\n'))
	}
}

// golden compares with a golden file, or writes it anew.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		ok(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	ok(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
