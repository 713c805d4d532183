package facts

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// policyInUse is the policy that a change is judged by, with where it comes from.
type policyInUse struct {
	policy *policy.Policy
	kept   []byte // what a decision keeps of it: see policy.EncodeLayers
	layers []policy.PolicyLayer
	// broken is set when a layer cannot be used, and the policy is the last that could be.
	broken *policy.BrokenLayer
	// organisation is the organisation's policy; nil when there is none.
	organisation *policy.Policy
	// beginning is true when Request.Beginning stands in for the repository's own.
	beginning bool
}

// layerRead is one policy file as it was read.
type layerRead struct {
	policy.PolicyLayer
	source []byte
	broken *policy.ParseError // it is not a file that can be read
}

// usePolicy makes one policy of the organisation's and of that of the governing base. It never
// comes from the head: a change cannot loosen the policy that it is judged by.
func usePolicy(ctx context.Context, req Request, first *firstReading) (policyInUse, error) {
	name := req.Repo.Owner + "/" + req.Repo.Name
	use, err := useLayers(ctx, req, first, first.policyLayers(name, req.Draft))
	var outside *NotEnrolledError
	if req.Draft != nil || req.Beginning == nil || !errors.Is(first.policyErr, gh.ErrNotFound) || !errors.As(err, &outside) {
		return use, err
	}
	main := first.repository(req).DefaultBranch
	if main == "" || main != first.aim().base {
		return use, err
	}
	use, err = useLayers(ctx, req, first, first.policyLayers(name, req.Beginning(main)))
	use.beginning = err == nil
	return use, err
}

// useLayers makes one policy of the layers that were read.
func useLayers(ctx context.Context, req Request, first *firstReading, read []layerRead) (policyInUse, error) {
	base := first.aim().base
	name := req.Repo.Owner + "/" + req.Repo.Name
	change := first.change(policy.Builtin())
	if len(read) == 0 {
		return policyInUse{}, &NotEnrolledError{change, fmt.Sprintf("%s has no %s on %s", name, policy.Path, base)}
	}
	use, broken, err := parseLayers(read, name)
	if err != nil {
		return policyInUse{}, err
	}
	if broken != nil {
		return lastUsable(ctx, req, change, broken, len(read))
	}
	if _, enrolled := use.policy.Lane(base); !enrolled {
		return policyInUse{}, &NotEnrolledError{change, fmt.Sprintf("%s does not name the branch %s", policy.Path, base)}
	}
	return use, nil
}

// parseLayers makes one policy of the layers, or says which of them cannot be used.
func parseLayers(read []layerRead, name string) (policyInUse, *layerRead, error) {
	use := policyInUse{}
	var sources []policy.LayerSource
	for i := range read {
		if read[i].broken != nil {
			return use, &read[i], nil
		}
		use.layers = append(use.layers, read[i].PolicyLayer)
		sources = append(sources, policy.LayerSource{Layer: read[i].Layer, Repository: read[i].Repository, Source: string(read[i].source)})
	}
	var err error
	use.policy, _, err = policy.ParseLayers(sources, name)
	var broken *policy.LayerError
	if errors.As(err, &broken) {
		for i := range read {
			if read[i].Layer == broken.Layer.Layer {
				read[i].broken = broken.Err
				return use, &read[i], nil
			}
		}
	}
	if err != nil {
		return use, nil, fmt.Errorf("parse %s: %w", policy.Path, err)
	}
	if use.kept, err = policy.EncodeLayers(sources); err != nil {
		return use, nil, fmt.Errorf("keep %s: %w", policy.Path, err)
	}
	use.organisation = use.policy.Floor()
	return use, nil, nil
}

// lastUsable is the last policy of the branch that could be used, in place of one with a broken
// layer: developers still see what else is missing, and nothing passes by it.
func lastUsable(ctx context.Context, req Request, change policy.Change, broken *layerRead, layers int) (policyInUse, error) {
	failure := &PolicyError{Change: change, Layer: broken.PolicyLayer, Source: broken.source, Err: broken.broken}
	name := req.Repo.Owner + "/" + req.Repo.Name
	var kept []byte
	if req.LastPolicy != nil {
		var err error
		if kept, err = req.LastPolicy(ctx, change.GoverningRef); err != nil {
			return policyInUse{}, err
		}
	}
	if kept == nil && broken.Layer == policy.LayerOrganisation && layers == 1 {
		// Nothing says that the organisation ever enrolled this repository.
		return policyInUse{}, &NotEnrolledError{change, "the organisation's policy cannot be used, and " + name + " has none"}
	}
	if kept == nil {
		return policyInUse{}, failure
	}
	last, _, err := policy.ParseKept(kept, name)
	if err != nil {
		return policyInUse{}, fmt.Errorf("the last policy of %s: %w", name, err)
	}
	if _, enrolled := last.Lane(change.GoverningRef); !enrolled {
		return policyInUse{}, failure
	}
	return policyInUse{
		policy: last, kept: kept, organisation: last.Floor(), layers: []policy.PolicyLayer{broken.PolicyLayer},
		broken: &policy.BrokenLayer{Layer: broken.PolicyLayer, Problems: broken.broken.Problems},
	}, nil
}

// policyLayers are the policy files that there are, outermost first. A draft takes the place of the
// repository's own.
func (r *firstReading) policyLayers(name string, draft []byte) []layerRead {
	var out []layerRead
	if organisation := r.answer.Organisation.layer(); organisation != nil {
		out = append(out, *organisation)
	}
	if draft != nil {
		return append(out, layerRead{
			PolicyLayer: policy.PolicyLayer{Layer: policy.LayerRepository, Repository: name, Path: policy.Path, Ref: r.aim().base, SHA256: hexSHA256(draft)}, source: draft,
		})
	}
	if errors.Is(r.policyErr, gh.ErrNotFound) {
		return out
	}
	own := layerRead{PolicyLayer: policy.PolicyLayer{Layer: policy.LayerRepository, Repository: name, Path: policy.Path, Ref: r.aim().base}}
	if target := r.answer.Repository.Base; target != nil && target.Target != nil {
		own.CommitSHA = target.Target.OID
	}
	if r.policyErr != nil {
		own.broken = notAFile(unreadable(r.policyErr))
		return append(out, own)
	}
	own.BlobSHA, own.source = r.policyFile.BlobSHA, r.policyFile.Bytes
	own.SHA256 = hexSHA256(own.source)
	return append(out, own)
}

// layer is the organisation's policy; nil when there is none. GitHub says the same of a
// repository that does not exist and of one that the App may not see.
func (at *gqlPolicyRepository) layer() *layerRead {
	if at == nil || at.Policy == nil {
		return nil
	}
	layer := &layerRead{PolicyLayer: policy.PolicyLayer{Layer: policy.LayerOrganisation, Repository: at.NameWithOwner, Path: policy.Path}}
	if branch := at.DefaultBranchRef; branch != nil {
		layer.Ref = branch.Name
		if branch.Target != nil {
			layer.CommitSHA = branch.Target.OID
		}
	}
	file := at.Policy
	layer.BlobSHA = file.OID
	switch {
	case file.Typename != "Blob":
		layer.broken = notAFile("it is not a file: a folder or a submodule")
		return layer
	case file.IsTruncated || file.ByteSize > policy.MaxPolicyBytes:
		layer.broken = notAFile(fmt.Sprintf("the file is larger than %d bytes", policy.MaxPolicyBytes))
		return layer
	case file.Text == nil:
		layer.broken = notAFile("it is not a file of text")
		return layer
	}
	// GraphQL hands out text, and the text is the file only if it makes the same blob.
	layer.source = []byte(*file.Text)
	if blobSHA(layer.source) != file.OID {
		layer.source, layer.broken = nil, notAFile("it is not valid UTF-8")
		return layer
	}
	layer.SHA256 = hexSHA256(layer.source)
	return layer
}

// blobSHA is git's name of a file's content.
func blobSHA(content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func notAFile(why string) *policy.ParseError {
	return &policy.ParseError{Problems: []policy.Problem{{Path: policy.Path, Message: why, Hint: "Put a plain YAML file there."}}}
}

// unreadable says why there is something at the policy's path that is not a policy file.
func unreadable(err error) string {
	if errors.Is(err, gh.ErrTruncated) {
		return "the file is larger than 1 MiB"
	}
	return "it is not a file: a folder, a symbolic link or a submodule"
}

// proposedPolicy is the policy file at the head, when the change touches it.
func proposedPolicy(ctx context.Context, client *gh.Client, req Request, first *firstReading) (*policy.ProposedPolicy, error) {
	touched := false
	for _, f := range first.files {
		touched = touched || f.Path == policy.Path || f.Previous == policy.Path
	}
	if !touched {
		return nil, nil
	}
	content, err := client.Content(ctx, req.Repo, policy.Path, first.aim().head)
	var fact error
	if err := setAside(err, &fact, gh.ErrNotFound, gh.ErrTruncated, gh.ErrInvalid); err != nil {
		return nil, err
	}
	switch {
	case errors.Is(fact, gh.ErrNotFound):
		return &policy.ProposedPolicy{Removed: true}, nil
	case fact != nil:
		return &policy.ProposedPolicy{Unreadable: unreadable(fact)}, nil
	case len(content.Bytes) > policy.MaxPolicyBytes:
		return &policy.ProposedPolicy{BlobSHA: content.BlobSHA, Unreadable: fmt.Sprintf("the file is larger than %d bytes", policy.MaxPolicyBytes)}, nil
	case !utf8.Valid(content.Bytes):
		return &policy.ProposedPolicy{BlobSHA: content.BlobSHA, Unreadable: "it is not valid UTF-8"}, nil
	}
	return &policy.ProposedPolicy{BlobSHA: content.BlobSHA, Source: string(content.Bytes)}, nil
}
