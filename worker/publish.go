package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/tracing"
)

// ReEvaluate is the identifier of the check run's button.
const ReEvaluate = "re-evaluate"

// publish brings the check run of one head and name to what the newest decisions say.
// There is one such job per head and name, so publishing is serial.
func (w *Worker) publish(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	log = log.With().Str("head", job.HeadSHA).Logger()
	pub, err := tenant.Publication(ctx, job.RepoID, job.HeadSHA, job.CheckName)
	if err != nil {
		return err
	}
	if pub.Attempting != "" {
		if pub, err = w.readBack(ctx, log, client, tenant, job, pub); err != nil {
			return err
		}
	}
	if pub.Wanted == nil {
		return w.Store.Finish(ctx, job)
	}
	write, said, err := w.compose(ctx, tenant, pub)
	if err != nil {
		return err
	}
	if said == pub.PublishedSaid {
		return w.Store.Finish(ctx, job) // it would say the same
	}
	// Durable before the write: if we stop after it, the next attempt asks GitHub
	// whether the write happened before it writes again.
	began := time.Now()
	err = tenant.BeginPublish(ctx, job, pub.Wanted.RecordID, urgency(pub, write))
	if errors.Is(err, store.ErrSuperseded) {
		return w.Store.Postpone(ctx, job, w.Now(), "a newer decision came in between")
	}
	if err != nil {
		return err
	}
	if time.Since(began) > lease/3 {
		// This process was paused, or the database was slow, for longer than a lease is sure to last.
		// Another one may be writing the same by now.
		return fmt.Errorf("%s passed before check run %s could be written", time.Since(began).Round(time.Second), job.CheckName)
	}
	writing, span := w.Tracer.Start(ctx, "publish")
	run, err := w.write(writing, client, pub, write, said)
	span.Word(tracing.Record, pub.Wanted.RecordID)
	span.Word(tracing.Conclusion, cmp.Or(write.Conclusion, write.Status))
	span.End(err)
	if err != nil {
		return err
	}
	// If we stop here, the check run is on GitHub and the record of it is not: the read
	// back finds it by its external id.
	log.Info().Str("record", pub.Wanted.RecordID).Str("status", write.Status).Str("conclusion", write.Conclusion).
		Str("title", write.Title).Int64("check_run", run.ID).Dur("since_event", w.Now().Sub(job.EnqueuedAt)).Msg("published")
	return tenant.Published(ctx, job, store.Published{
		RecordID: pub.Wanted.RecordID, GitHubID: run.ID, Said: said, Status: write.Status, Conclusion: write.Conclusion,
	})
}

// compose renders the wanted decision as the check run that should be there, and says
// in one word what a reader would notice of it.
func (w *Worker) compose(ctx context.Context, tenant store.Tenant, pub store.Publication) (gh.CheckRunWrite, string, error) {
	var d policy.Decision
	if err := json.Unmarshal(pub.Wanted.Decision, &d); err != nil {
		return gh.CheckRunWrite{}, "", fmt.Errorf("decode decision %s: %w", pub.Wanted.RecordID, err)
	}
	select {
	case <-w.heard:
	case <-ctx.Done():
		return gh.CheckRunWrite{}, "", ctx.Err()
	}
	checkpoint, _, err := tenant.Checkpoint(ctx)
	if err != nil {
		return gh.CheckRunWrite{}, "", err
	}
	out := policy.Render(d, policy.Proof{
		RecordID: pub.Wanted.RecordID, DecisionSHA256: pub.Wanted.DecisionSHA256, LeafIndex: pub.Wanted.LeafIndex,
		Checkpoint: string(checkpoint), Also: pub.Also,
	})
	status, conclusion := d.Status()
	write := gh.CheckRunWrite{
		Name: pub.CheckName, HeadSHA: pub.HeadSHA, ExternalID: pub.Wanted.RecordID, Status: status, Conclusion: conclusion,
		Title: out.Title, Summary: out.Summary, Text: out.Text,
	}
	if w.Pages != "" && d.Number > 0 {
		write.DetailsURL = fmt.Sprintf("%s/orgs/%s/changes/%d/%d", w.Pages, ownerOf(pub.Repository), pub.RepoID, d.Number)
	}
	if status == "completed" {
		write.CompletedAt = pub.Wanted.RecordedAt
		write.Actions = []gh.CheckRunAction{{Label: "Re-evaluate", Description: "Look at this pull request again", Identifier: ReEvaluate}}
	}
	for _, a := range out.Annotations {
		write.Annotations = append(write.Annotations, gh.Annotation{Path: a.Path, Line: a.Line, Column: a.Column, Level: a.Level, Message: a.Message})
	}
	said := status + "/" + conclusion + "/" + out.Said()
	if marked := out.Marked(); marked != "" {
		said += "/" + marked
	}
	return write, said, nil
}

// marked is the part of what was said that tells the annotations; empty: there were none.
func marked(said string) string {
	_, after, _ := strings.Cut(said, "/")
	_, after, _ = strings.Cut(after, "/")
	_, after, _ = strings.Cut(after, "/")
	return after
}

// write makes a new check run for a changed conclusion, and patches one that is not
// completed or whose conclusion stays: completed runs do not reopen. Annotations cannot be
// taken back, and those of every write add up: other ones need a new check run as well, and the
// same ones are not sent again.
func (w *Worker) write(ctx context.Context, client *gh.Client, pub store.Publication, write gh.CheckRunWrite, said string) (gh.CheckRun, error) {
	repo := repoOf(pub.Repository)
	open := pub.PublishedStatus != "" && pub.PublishedStatus != "completed"
	same := pub.PublishedStatus == write.Status && pub.PublishedConclusion == write.Conclusion
	was, is := marked(pub.PublishedSaid), marked(said)
	known := pub.PublishedSaid != ""
	keeps := was == is && (known || is == "") || was == "" && known
	if pub.GitHubID != 0 && (open || same) && keeps {
		if was == is {
			write.Annotations = nil
		}
		return client.UpdateCheckRun(ctx, repo, pub.GitHubID, write)
	}
	return client.CreateCheckRun(ctx, repo, write)
}

// urgency is how long the write of a check run may wait behind others.
func urgency(pub store.Publication, write gh.CheckRunWrite) store.WriteClass {
	switch {
	case pub.Wanted.Number == 0:
		return store.WriteGroup
	case write.Status != pub.PublishedStatus || write.Conclusion != pub.PublishedConclusion:
		return store.WriteFlip
	}
	return store.WriteText
}

// readBack asks GitHub whether a write that was begun and never confirmed happened.
func (w *Worker) readBack(ctx context.Context, log zerolog.Logger, client *gh.Client, tenant store.Tenant, job store.Job, pub store.Publication) (store.Publication, error) {
	runs, err := client.CheckRunsNamed(ctx, repoOf(pub.Repository), pub.HeadSHA, pub.CheckName, w.App.ID)
	if err != nil {
		return pub, err
	}
	for _, run := range runs {
		if run.ExternalID != pub.Attempting {
			continue
		}
		log.Info().Str("record", pub.Attempting).Int64("check_run", run.ID).Msg("found a check run that was written before")
		// What it says is not known to the letter, so it is said again if need be.
		err := tenant.Confirm(ctx, job, store.Published{RecordID: pub.Attempting, GitHubID: run.ID, Status: run.Status, Conclusion: run.Conclusion})
		if err != nil {
			return pub, err
		}
		return tenant.Publication(ctx, job.RepoID, job.HeadSHA, job.CheckName)
	}
	return pub, nil
}

// repositoryNow finds a repository by the name that it had; ErrNotFound when that belongs to
// another one by now.
func repositoryNow(ctx context.Context, client *gh.Client, name string, id int64) (gh.RepositoryNow, error) {
	repo, err := client.Repository(ctx, repoOf(name))
	if err == nil && repo.ID != id {
		err = fmt.Errorf("the name %s now belongs to repository %d: %w", name, repo.ID, gh.ErrNotFound)
	}
	return repo, err
}

func repoOf(fullName string) gh.Repo {
	owner, name, _ := strings.Cut(fullName, "/")
	return gh.Repo{Owner: owner, Name: name}
}
