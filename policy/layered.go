package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// LayerSource is one policy file of those that hold together, as it was read.
//
// Field names and order are part of the evidence format; add, never change.
type LayerSource struct {
	Layer      string `json:"layer"`      // LayerOrganisation or LayerRepository
	Repository string `json:"repository"` // owner/name of where the file is
	Source     string `json:"source"`     // the file; UTF-8, or it could not be used
}

// layersPrefix begins the encoding of several layers. No policy file that Parse takes begins
// like this, so the two cannot be mistaken for each other.
const layersPrefix = `{"countersign_policy_layers":1,`

// EncodeLayers are the bytes under which a decision keeps its policy, outermost layer first. A
// repository's policy alone is kept as it is.
func EncodeLayers(layers []LayerSource) ([]byte, error) {
	if len(layers) == 1 && layers[0].Layer == LayerRepository {
		return []byte(layers[0].Source), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		V      int           `json:"countersign_policy_layers"`
		Layers []LayerSource `json:"layers"`
	}{1, layers})
	return b.Bytes(), err
}

// DecodeLayers reads what EncodeLayers wrote. What it does not know by its beginning is one
// repository's policy file; repository is where that is.
func DecodeLayers(kept []byte, repository string) ([]LayerSource, error) {
	if !bytes.HasPrefix(kept, []byte(layersPrefix)) {
		return []LayerSource{{Layer: LayerRepository, Repository: repository, Source: string(kept)}}, nil
	}
	var w struct {
		Layers []LayerSource `json:"layers"`
	}
	if err := json.Unmarshal(kept, &w); err != nil {
		return nil, fmt.Errorf("read the layers of a policy: %w", err)
	}
	if err := checkLayers(w.Layers); err != nil {
		return nil, fmt.Errorf("read the layers of a policy: %w", err)
	}
	return w.Layers, nil
}

func checkLayers(layers []LayerSource) error {
	have := ""
	for _, l := range layers {
		have += l.Layer + " "
	}
	switch have {
	case LayerOrganisation + " ", LayerRepository + " ", LayerOrganisation + " " + LayerRepository + " ":
		return nil
	}
	return fmt.Errorf("%q are no layers of a policy", have)
}

// LayerError is a layer that cannot be used.
type LayerError struct {
	Layer LayerSource
	Err   *ParseError
}

func (e *LayerError) Error() string {
	return fmt.Sprintf("the %s's policy: %v", e.Layer.Layer, e.Err)
}

func (e *LayerError) Unwrap() error { return e.Err }

// ParseEach parses each of the layers by itself, outermost first; one that is not there is nil. The
// error is a *LayerError when a layer cannot be used.
func ParseEach(layers []LayerSource) (organisation, repository *Policy, err error) {
	if err := checkLayers(layers); err != nil {
		return nil, nil, err
	}
	parsed := map[string]*Policy{}
	for _, l := range layers {
		p, err := Parse([]byte(l.Source))
		var broken *ParseError
		if errors.As(err, &broken) {
			return nil, nil, &LayerError{l, broken}
		}
		if err != nil {
			return nil, nil, err
		}
		parsed[l.Layer] = p
	}
	return parsed[LayerOrganisation], parsed[LayerRepository], nil
}

// ParseLayers makes one policy of its layers, outermost first, for a repository (owner/name).
// The error is a *LayerError when a layer cannot be used.
func ParseLayers(layers []LayerSource, repository string) (*Policy, []Note, error) {
	organisation, own, err := ParseEach(layers)
	if err != nil {
		return nil, nil, err
	}
	p, notes := Merge(organisation, own, repository)
	return p, notes, nil
}

// ParseKept makes a policy of the bytes that a decision about a repository kept.
func ParseKept(kept []byte, repository string) (*Policy, []Note, error) {
	layers, err := DecodeLayers(kept, repository)
	if err != nil {
		return nil, nil, err
	}
	return ParseLayers(layers, repository)
}
