package facts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// usePolicy parses the policy of the governing base. It never comes from the head: a
// change cannot loosen the policy that it is judged by.
func usePolicy(req Request, first *firstReading) (*policy.Policy, policy.PolicyLayer, error) {
	base := first.aim().base
	layer := policy.PolicyLayer{Layer: "repository", Repository: req.Repo.Owner + "/" + req.Repo.Name, Path: policy.Path, Ref: base}
	if errors.Is(first.policyErr, gh.ErrNotFound) {
		return nil, layer, &NotEnrolledError{first.change(policy.Builtin()), fmt.Sprintf("%s has no %s on %s", layer.Repository, policy.Path, base)}
	}
	if target := first.answer.Repository.Base; target != nil && target.Target != nil {
		layer.CommitSHA = target.Target.OID
	}
	if first.policyErr != nil {
		why := &policy.ParseError{Problems: []policy.Problem{{Path: policy.Path, Message: unreadable(first.policyErr), Hint: "Put a plain YAML file there."}}}
		return nil, layer, &PolicyError{Change: first.change(policy.Builtin()), Layer: layer, Err: why}
	}
	sum := sha256.Sum256(first.policyFile.Bytes)
	layer.BlobSHA, layer.SHA256 = first.policyFile.BlobSHA, hex.EncodeToString(sum[:])
	pol, err := policy.Parse(first.policyFile.Bytes)
	var broken *policy.ParseError
	if errors.As(err, &broken) {
		return nil, layer, &PolicyError{Change: first.change(policy.Builtin()), Layer: layer, Source: first.policyFile.Bytes, Err: broken}
	}
	if err != nil {
		return nil, layer, fmt.Errorf("parse %s: %w", policy.Path, err)
	}
	if _, enrolled := pol.Lane(base); !enrolled {
		return nil, layer, &NotEnrolledError{first.change(policy.Builtin()), fmt.Sprintf("%s does not name the branch %s", policy.Path, base)}
	}
	return pol, layer, nil
}

// unreadable says why there is something at the policy's path that is not a policy file.
func unreadable(err error) string {
	if errors.Is(err, gh.ErrTruncated) {
		return "the file is larger than 1 MiB"
	}
	return "it is not a file: a folder, a symbolic link or a submodule"
}
