package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// registerEvery is how often an organisation's register of documents is read by itself.
const registerEvery = 24 * time.Hour

// register reads the organisation's register of documents, and records what is not as it was
// recorded last. Where there never was one, nothing is recorded.
func (w *Worker) register(ctx context.Context, finds *gh.Client, job store.Job) error {
	owner, now := ownerOf(job.Repository), w.Now()
	client := finds
	repo, err := finds.Repository(ctx, gh.Repo{Owner: owner, Name: policy.OrganisationRepository})
	switch {
	case err == nil:
		client, err = w.client(job, gh.ToReadFiles(repo.ID))
	case errors.Is(err, gh.ErrNotFound):
		err = nil // and the register is not found either
	}
	if err != nil {
		return err
	}
	found, err := facts.ReadRegister(ctx, client, owner, now.UTC().Truncate(time.Microsecond))
	if err != nil {
		return err
	}
	tenant := w.Store.Tenant(job.OrgID)
	last, err := tenant.NewestRecord(ctx, store.LeafRegister)
	if err != nil {
		return err
	}
	same, err := sameRegister(last, found)
	if err != nil {
		return err
	}
	if same {
		return w.Store.FinishUntil(ctx, job, now.Add(registerEvery))
	}
	body, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("encode register: %w", err)
	}
	return tenant.RecordRegister(ctx, job, body, now.Add(registerEvery))
}

// sameRegister compares a register with the record of the last, but for when it was read. No
// register is the same as no record.
func sameRegister(last []byte, now policy.RegisterFacts) (bool, error) {
	if last == nil {
		return now.BlobSHA == "" && len(now.Problems) == 0, nil
	}
	var before policy.RegisterFacts
	if err := json.Unmarshal(last, &before); err != nil {
		return false, fmt.Errorf("decode the last register: %w", err)
	}
	now.ReadAt = before.ReadAt
	a, err := json.Marshal(before)
	if err != nil {
		return false, err
	}
	b, err := json.Marshal(now)
	return string(a) == string(b), err
}
