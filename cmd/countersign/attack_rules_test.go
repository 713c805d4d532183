package main

import (
	"fmt"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// ruledBy is the shop's policy with a rule in CEL, whose message is "the rule says no".
func ruledBy(expression string) string {
	return shopPolicy + fmt.Sprintf("rules:\n  - {id: ours, require: %q, message: the rule says no}\n", expression)
}

// noCrypto is a rule that holds a change to what lies under crypto/, wherever it is moved.
const noCrypto = `!files.exists(f, f.path.startsWith("crypto/") || f.previous.startsWith("crypto/"))`

// againstRule is an attempt against a rule in CEL, with everything else in order.
func againstRule(name, how, expression, says string, play func(t *testing.T, w *acme, repo *ghsim.Repo) pull) attempt {
	return attempt{name, how, ruledBy(expression), play, says}
}

// changing is dave's approved pull request of one commit.
func changing(commit ghsim.Commit) func(*testing.T, *acme, *ghsim.Repo) pull {
	return func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
		repo.Unprotect("main", w.carol)
		repo.Push("main", w.carol, ghsim.Commit{Message: "crypto", Files: map[string]string{"crypto/key.go": "package crypto\n"}})
		repo.Protect("main", w.carol, w.usual())
		commit.Message = "change"
		return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "A small fix", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{commit}}))
	}
}

// green is dave's pull request that is green, before something happens to it.
func green(happens func(w *acme, repo *ghsim.Repo, pr pull)) func(*testing.T, *acme, *ghsim.Repo) pull {
	return func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		pr := w.approved(w.davesPull(repo, code))
		w.wantCheck(t, pr, released)
		happens(w, repo, pr)
		return pr
	}
}

// attacksOnRules are on an organisation's own rules: what they look at is made unknown, huge or
// something else.
func attacksOnRules() []attempt {
	return []attempt{
		againstRule("rule-dodged-by-rename", "A rule holds changes under a folder, and a file is moved out of it.", noCrypto, "the rule says no",
			changing(ghsim.Commit{Rename: map[string]string{"crypto/key.go": "attic/key.go"}})),
		againstRule("rule-dodged-by-deletion", "A rule holds changes under a folder, and its only file is deleted, with the same content elsewhere.", noCrypto, "the rule says no",
			changing(ghsim.Commit{Delete: []string{"crypto/key.go"}, Files: map[string]string{"attic/key.go": "package attic\n"}})),
		againstRule("rule-dodged-by-mode", "A rule holds changes under a folder, and a file in it is made executable without a changed line.", noCrypto, "the rule says no",
			changing(ghsim.Commit{Mode: map[string]string{"crypto/key.go": "100755"}})),
		againstRule("rule-under-too-many-files", "A rule holds changes under a folder, and the file is the last of more than GitHub ever lists.", noCrypto, "Whether the rule ours holds is not known",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				files := manyFiles(3000)
				files["crypto/key.go"] = "package crypto\n"
				return w.approved(w.davesPull(repo, files))
			}),
		againstRule("rule-on-size-of-too-many-files", "A rule bounds the size of a change, and GitHub lists only as much of it as is within the bound.", "size.files <= 3000", "Whether the rule ours holds is not known",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				return w.approved(w.davesPull(repo, manyFiles(3100)))
			}),
		againstRule("rule-on-too-many-commits", "A rule bounds the number of commits, and there are more than GitHub lists.", "commits.count <= 250", "Whether the rule ours holds is not known",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				var commits []ghsim.Commit
				for i := range 251 {
					commits = append(commits, ghsim.Commit{Message: fmt.Sprint(i), Files: map[string]string{"n.txt": fmt.Sprint(i)}})
				}
				return w.approved(repo.OpenPullRequest(ghsim.PullSpec{Title: "Many", Head: "dave/fix", Author: w.dave, Commits: commits}))
			}),
		againstRule("rule-on-agents-after-a-lost-push", "A rule holds agents, and a push of which no delivery tells brings the last commit.", "!authorship.agent", "Whether the rule ours holds is not known",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.mustSettle(t)
				w.app.Hooks().Drop(func(event, _ string) bool { return event == "push" || event == "pull_request" })
				pr.Push(w.devin, ghsim.Commit{Message: "more", Author: w.dave, Committer: w.dave, Files: map[string]string{"more.go": "package shop\n"}})
				mustDo(t, w.sim.Drain(t.Context()))
				w.app.Hooks().Drop(nil)
				return w.approved(pr)
			}),
		againstRule("rule-that-fails", "A rule divides by the deleted lines, and the change deletes none, so that it yields neither true nor false.", "size.additions / size.deletions < 10", "It failed while it was evaluated",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull { return w.approved(w.davesPull(repo, code)) }),
		againstRule("rule-on-a-validation-that-is-none", "A rule asks for the success of a validation that the policy does not name.", `validations["scan"] == "success"`, "It failed while it was evaluated",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull { return w.approved(w.davesPull(repo, code)) }),
		againstRule("rule-on-approvals-by-bots", "A rule asks for two approvals, and one of them is a bot's.", "reviews.approvals >= 2", "the rule says no",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				pr.Approve(w.reviewer)
				return pr
			}),
		againstRule("title-edited-after-green", "A rule asks for a ticket in the title, and the author takes it out once everything is green.", `change.title.startsWith("A small")`, "the rule says no",
			green(func(w *acme, _ *ghsim.Repo, pr pull) { pr.Edit(w.dave, "a small fix", "") })),
		againstRule("label-put-on-after-green", "A label that a rule takes for a stop is put on a green change, and the delivery that tells of it gets lost.", `!("frozen" in change.labels)`, "the rule says no",
			green(func(w *acme, repo *ghsim.Repo, pr pull) {
				w.app.Hooks().Drop(func(event, action string) bool { return action == "labeled" })
				pr.Label(w.carol, "frozen")
				w.app.Hooks().Drop(nil)
				repo.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
			})),
		againstRule("label-flipped", "A label that a rule takes for a stop is taken off and put on again and again, and the deliveries come backwards.", `!("frozen" in change.labels)`, "the rule says no",
			green(func(w *acme, _ *ghsim.Repo, pr pull) {
				hooks := w.app.Hooks()
				hooks.Hold()
				for range 5 {
					pr.Label(w.carol, "frozen")
					pr.Unlabel(w.dave, "frozen")
				}
				pr.Label(w.carol, "frozen")
				hooks.ReleaseReversed()
			})),
		againstRule("label-under-many-labels", "The author puts on so many labels that the one that a rule takes for a stop is none of the first that GitHub lists.", `!("frozen" in change.labels)`, "the rule says no",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.app.Hooks().Drop(func(_, action string) bool { return action == "labeled" }) // they are many
				for i := range 100 {
					pr.Label(w.dave, fmt.Sprint("harmless ", i))
				}
				pr.Label(w.carol, "frozen")
				w.app.Hooks().Drop(nil)
				return w.approved(pr)
			}),
		againstRule("rule-dodged-by-retarget", "A rule is for main, and the pull request went to a topic branch until it was approved.", `change.base != "main"`, "the rule says no",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Push("topic", w.dave)
				pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "x", Base: "topic", Head: "dave/fix", Author: w.dave, Commits: []ghsim.Commit{{Message: "fix", Files: code}}})
				w.approved(pr)
				w.mustSettle(t)
				pr.Retarget(w.dave, "main")
				return w.approved(pr)
			}),
		againstRule("rule-over-budget", "The policy has a rule that would take for ever on a large change.", `files.all(f, files.all(g, f.path + g.path != "x"))`, "could take more than",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull { return w.approved(w.davesPull(repo, code)) }),
		{"rule-over-budget-proposed", "An owner approves a policy with a rule that would take for ever, which would be of no use once it is merged.", "",
			func(_ *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, map[string]string{policy.Path: ruledBy(`files.all(f, files.all(g, f.path + g.path != "x"))`)})
				w.test(pr, "success")
				pr.Approve(w.carol)
				return pr
			}, "cannot be used"},
		{"emergency-over-a-rule", "An emergency is declared for a change that breaks a rule.", ruledBy(noCrypto) + "emergency: {team: acme/oncall, via: [comment]}\n",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				erin := w.onCall(t)
				pr := w.davesPull(repo, map[string]string{"crypto/key.go": "package crypto\n"})
				w.test(pr, "success")
				w.mustSettle(t)
				declare(pr, erin, pr.HeadSHA())
				return pr
			}, "the rule says no"},
		{"merge-group-over-a-rule", "A queued pull request gets a label that a rule takes for a stop, and its merge group is tested after that.", ruledBy(`!("frozen" in change.labels)`),
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "queue", Include: []string{"~DEFAULT_BRANCH"}, Rules: []ghsim.Rule{ghsim.RuleMergeQueue()}})
				pr := w.readyPull(t, repo, "one")
				mustDo(t, pr.Enqueue(w.dave))
				w.mustSettle(t)
				group := pr.GroupSHA()
				pr.Label(w.carol, "frozen")
				w.testGroup(repo, group, "success")
				return pr
			}, "the rule says no"},
		{"rule-taken-out", "The change takes the rule out that it breaks, in the same commit, and somebody who is no owner approves.", ruledBy(noCrypto),
			changing(ghsim.Commit{Files: map[string]string{"crypto/key.go": "package stolen\n", policy.Path: shopPolicy}}), "the rule says no"},
		{"tag-named-like-the-branch", "A tag with the name of the branch leads to a commit with a policy that asks for nothing.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				lax := repo.Push("dave/lax", w.dave, ghsim.Commit{Message: "lax", Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nreview: {human: {approvals: 0}}\n"}})
				repo.Tag("main", lax, w.dave)
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				return pr
			}, "approval"},
	}
}
