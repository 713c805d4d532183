package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// ReadRegister reads the register of an organisation from its .github repository, and every file
// that it names there. That there is none, or that a file is missing, is a fact.
func ReadRegister(ctx context.Context, client *gh.Client, owner string, at time.Time) (policy.RegisterFacts, error) {
	repo := gh.Repo{Owner: owner, Name: policy.OrganisationRepository}
	out := policy.RegisterFacts{V: policy.RegisterVersion, Repository: owner + "/" + repo.Name, ReadAt: at, Problems: []policy.Problem{}, Documents: []policy.RegisteredFacts{}}
	file, err := client.Content(ctx, repo, policy.RegisterPath, "")
	switch {
	case errors.Is(err, gh.ErrNotFound):
		return out, nil
	case errors.Is(err, gh.ErrInvalid), errors.Is(err, gh.ErrTruncated):
		out.Problems = append(out.Problems, policy.Problem{Message: "is not a file that can be read: " + err.Error()})
		return out, nil
	case err != nil:
		return out, fmt.Errorf("read the register of %s: %w", owner, err)
	}
	out.BlobSHA = file.BlobSHA
	list, err := policy.ParseRegister(file.Bytes)
	var broken *policy.ParseError
	if errors.As(err, &broken) {
		out.Problems = broken.Problems
		return out, nil
	}
	if err != nil {
		return out, err
	}
	for _, d := range list {
		found, err := registered(ctx, client, repo, d)
		if err != nil {
			return out, fmt.Errorf("read the document %s of the register of %s: %w", d.ID, owner, err)
		}
		out.Documents = append(out.Documents, found)
	}
	return out, nil
}

// registered looks at one document.
func registered(ctx context.Context, client *gh.Client, repo gh.Repo, d policy.RegisteredDocument) (policy.RegisteredFacts, error) {
	if d.URL != "" {
		return d.Found(""), nil
	}
	file, err := client.Content(ctx, repo, d.Path, "")
	switch {
	case errors.Is(err, gh.ErrNotFound):
		return d.Found(""), nil
	case errors.Is(err, gh.ErrInvalid), errors.Is(err, gh.ErrTruncated):
		found := d.Found("")
		found.State, found.Why = policy.RegisteredUnreadable, err.Error()
		return found, nil
	case err != nil:
		return policy.RegisteredFacts{}, err
	}
	sum := sha256.Sum256(file.Bytes)
	return d.Found(hex.EncodeToString(sum[:])), nil
}
