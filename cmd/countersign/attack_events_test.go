package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/handlers"
)

// deliver posts a delivery to the server as somebody on the network can, and returns the
// status. secret signs it.
func (w *acme) deliver(t *testing.T, event, id, secret string, payload []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.server.listener.Addr().String()+handlers.HookPath, bytes.NewReader(payload))
	mustDo(t, err)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(payload)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", event)
	req.Header.Set("X-GitHub-Delivery", id)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	mustDo(t, err)
	mustDo(t, resp.Body.Close())
	return resp.StatusCode
}

// lastDelivery is the newest delivery of an event.
func (w *acme) lastDelivery(t *testing.T, event string) ghsim.Delivery {
	t.Helper()
	mustDo(t, w.sim.Drain(t.Context()))
	var found *ghsim.Delivery
	for _, d := range w.app.Deliveries() {
		if d.Event == event && (found == nil || d.ID > found.ID) {
			found = &d
		}
	}
	if found == nil {
		t.Fatalf("no delivery of %s", event)
	}
	return *found
}

// lost is an attempt in which deliveries get lost while something happens, with everything
// before it in order; the label that is put on afterwards makes the server look.
func lost(name, how, says string, match func(event, action string) bool, happens func(w *acme, repo *ghsim.Repo, pr pull, approval *ghsim.Review)) attempt {
	return attempt{name, how, "", func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
		pr := w.davesPull(repo, code)
		w.test(pr, "success")
		approval := pr.Approve(w.bob)
		w.wantCheck(t, pr, released)
		w.app.Hooks().Drop(match)
		happens(w, repo, pr, approval)
		mustDo(t, w.sim.Drain(t.Context()))
		w.app.Hooks().Drop(nil)
		pr.Label(w.dave, "again")
		return pr
	}, says}
}

// attacksOnEvents are on what reaches us: forged, replayed, lost, late and doubled deliveries,
// and answers of GitHub that leave something out.
func attacksOnEvents() []attempt {
	return []attempt{
		{"forged-delivery", "Somebody on the network posts bob's approval to the server, signed by another secret.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				w.mustSettle(t)
				body := fmt.Appendf(nil, `{"action":"submitted","review":{"id":1,"state":"approved","commit_id":%q,"user":{"id":%d,"login":"bob","type":"User"}},"pull_request":{"number":%d}}`, pr.HeadSHA(), w.bob.ID(), pr.Number())
				if got := w.deliver(t, "pull_request_review", "forged-"+slug(repo.FullName()), "guessed", body); got != http.StatusUnauthorized {
					t.Errorf("a forged delivery was answered with %d", got)
				}
				return pr
			}, "approval"},
		{"replayed-approval", "The delivery of bob's approval is sent again after a push, under another id, as whoever recorded it can.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.approved(w.davesPull(repo, code))
				w.wantCheck(t, pr, released)
				recorded := w.lastDelivery(t, "pull_request_review")
				pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				w.test(pr, "success")
				w.mustSettle(t)
				if got := w.deliver(t, "pull_request_review", "replayed-"+slug(repo.FullName()), hookSecret, recorded.Payload); got != http.StatusAccepted {
					t.Errorf("the replayed delivery was answered with %d", got)
				}
				return pr
			}, "approval"},
		{"replayed-approval-of-a-dismissed-review", "bob's approval is dismissed, and its delivery is sent again under another id.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.test(pr, "success")
				review := pr.Approve(w.bob)
				w.wantCheck(t, pr, released)
				recorded := w.lastDelivery(t, "pull_request_review")
				review.Dismiss(w.carol, "no")
				w.mustSettle(t)
				w.deliver(t, "pull_request_review", "replayed-"+slug(repo.FullName()), hookSecret, recorded.Payload)
				return pr
			}, "approval"},
		{"replayed-success", "The delivery of the green run is sent again after the run failed.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				run := repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "success"})
				pr.Approve(w.bob)
				w.wantCheck(t, pr, released)
				recorded := w.lastDelivery(t, "workflow_run")
				run.Rerun(w.dave, ghsim.Job{Name: "test", Conclusion: "failure"})
				w.mustSettle(t)
				w.deliver(t, "workflow_run", "replayed-"+slug(repo.FullName()), hookSecret, recorded.Payload)
				return pr
			}, "tests"},
		{"approval-overtaken-by-a-push", "bob approves, dave pushes, and the approval arrives last.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				w.mustSettle(t)
				hooks := w.app.Hooks()
				hooks.Hold()
				pr.Approve(w.bob)
				pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				w.test(pr, "success")
				hooks.ReleaseReversed()
				return pr
			}, "approval"},
		{"everything-twice-and-backwards", "Every delivery of a pull request that was pushed to after its approval comes twice and in the wrong order.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				hooks := w.app.Hooks()
				hooks.Hold()
				pr := w.approved(w.davesPull(repo, code))
				pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				w.test(pr, "success")
				hooks.ReleaseOrdered(func(n int) []int {
					var order []int
					for i := n - 1; i >= 0; i-- {
						order = append(order, i, i)
					}
					return order
				})
				return pr
			}, "approval"},
		lost("lost-push", "After the approval dave pushes, and nothing tells of it.", "approval",
			func(event, _ string) bool { return event != "label" }, func(w *acme, _ *ghsim.Repo, pr pull, _ *ghsim.Review) {
				pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				w.test(pr, "success")
			}),
		lost("lost-dismissal", "The approval is dismissed, and the delivery gets lost.", "approval",
			func(event, _ string) bool { return event == "pull_request_review" }, func(w *acme, _ *ghsim.Repo, _ pull, approval *ghsim.Review) {
				approval.Dismiss(w.carol, "no")
			}),
		lost("lost-request-for-changes", "carol asks for changes, and the delivery gets lost.", "carol",
			func(event, _ string) bool { return event == "pull_request_review" }, func(w *acme, _ *ghsim.Repo, pr pull, _ *ghsim.Review) {
				pr.RequestChanges(w.carol, "no")
			}),
		lost("lost-failure", "The tests run again and fail, and the deliveries get lost.", "tests",
			func(event, _ string) bool {
				return event == "check_run" || event == "workflow_run" || event == "check_suite" || event == "workflow_job"
			}, func(w *acme, repo *ghsim.Repo, pr pull, _ *ghsim.Review) {
				repo.RunWorkflow(pr.HeadSHA(), ciPath, "pull_request", ghsim.Job{Name: "test", Conclusion: "failure"})
			}),
		lost("lost-retarget", "The pull request is retargeted to a branch and back, and only one of the deliveries arrives.", "approval",
			func(event, _ string) bool { return event == "pull_request" }, func(w *acme, repo *ghsim.Repo, pr pull, _ *ghsim.Review) {
				pr.Push(w.dave, ghsim.Commit{Message: "payload", Files: map[string]string{"payload.go": "package shop\n"}})
				repo.Push("elsewhere", w.dave)
				pr.Retarget(w.dave, "elsewhere")
				pr.Retarget(w.dave, "main")
				w.test(pr, "success")
			}),
		{"workflow-behind-the-first-page", "The weakened workflow is the last of more files than GitHub lists at once, and the list does not say that it goes on.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET /repos/{owner}/{repo}/pulls/{number}/files", NoLink: true})
				files := manyFiles(150)
				files[ciPath] = "name: ci\n"
				defer repair()
				pr := w.approved(w.davesPull(repo, files))
				w.mustSettle(t)
				return pr
			}, "owner"},
		{"reviews-silently-empty", "GitHub answers with data in which the reviews are missing, carol's request for changes among them.", "",
			func(t *testing.T, w *acme, repo *ghsim.Repo) pull {
				pr := w.davesPull(repo, code)
				pr.RequestChanges(w.carol, "no")
				w.mustSettle(t)
				repair := w.sim.FailGraphQL(ghsim.GraphQLFault{Path: "repository.pullRequest.reviews", Silent: true})
				w.approved(pr)
				mustDo(t, w.sim.Drain(t.Context()))
				w.waitUntil(t, func() bool { return w.atRest(t) })
				if got := w.check(pr, "countersign"); got.Conclusion == released {
					t.Error("green without having seen the reviews")
				}
				repair()
				w.mustSettle(t)
				return pr
			}, "carol"},
	}
}

// manyFiles are n files that sort before everything else.
func manyFiles(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf(".a/%03d.txt", i)] = "x\n"
	}
	return files
}
