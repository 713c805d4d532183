package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	vsa "github.com/in-toto/attestation/go/predicates/vsa/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"
)

// logKey is the log's public key as other people's programs take one.
type logKey struct {
	id  string
	key ed25519.PublicKey
}

func (k logKey) KeyID() (string, error)   { return k.id, nil }
func (k logKey) Public() crypto.PublicKey { return k.key }

func (k logKey) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(k.key, data, sig) {
		return errors.New("the signature is not the key's")
	}
	return nil
}

// The statements are what in-toto's and DSSE's own programs read, and claim what holds.
func (b bundle) testStatements(t *testing.T) {
	part := strings.Split(strings.TrimSpace(string(b["log/key"])), "+")
	raw, err := base64.StdEncoding.DecodeString(strings.Join(part[2:], "+"))
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		t.Fatalf("log/key: %v, %d bytes", err, len(raw))
	}
	verifier, err := dsse.NewEnvelopeVerifier(logKey{part[0] + "+" + part[1], raw[1:]})
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) *intoto.Statement {
		var e dsse.Envelope
		if err := json.Unmarshal(b[name], &e); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, payload, err := verifier.VerifyAndDecode(t.Context(), &e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var s intoto.Statement
		if err := protojson.Unmarshal(payload, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return &s
	}
	tips := map[string]string{}
	for _, row := range b.table(t, "population.csv") {
		tips[row["repository"]+"#"+row["pull_request"]] = row["after"]
	}
	for _, x := range []struct {
		change, of, result string
		levels             []string
	}{
		{"acme-shop-4", "acme/shop#4", "PASSED", []string{"SLSA_SOURCE_LEVEL_3", "ORG_SOURCE_HUMAN_INDEPENDENT_APPROVAL", "ORG_SOURCE_VALIDATED", "ORG_SOURCE_INDEPENDENTLY_VALIDATED", "ORG_SOURCE_AGENT_AUTHORED"}},
		{"acme-shop-10", "acme/shop#10", "PASSED", []string{"SLSA_SOURCE_LEVEL_3", "SLSA_SOURCE_TWO_PARTY_REVIEWED", "ORG_SOURCE_HUMAN_INDEPENDENT_APPROVAL", "ORG_SOURCE_VALIDATED", "ORG_SOURCE_INDEPENDENTLY_VALIDATED", "ORG_SOURCE_NO_AGENT_INDICATOR_FOUND"}},
		{"acme-sandbox-1", "acme/sandbox#1", "FAILED", []string{"FAILED"}},
		{"acme-sandbox-update", "acme/sandbox#", "FAILED", []string{"FAILED"}},
	} {
		name := strings.TrimSuffix(strings.Replace(b.pageOf(t, x.change), "changes/", "attestations/", 1), ".html")
		s := open(name + ".vsa.json")
		predicate, err := protojson.Marshal(s.Predicate)
		if err != nil {
			t.Fatal(err)
		}
		var v vsa.VerificationSummary
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(predicate, &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v.VerificationResult != x.result || !slices.Equal(v.VerifiedLevels, x.levels) || v.TimeVerified == nil || v.Verifier.GetId() == "" {
			t.Errorf("%s: got %s %v, want %s %v", name, v.VerificationResult, v.VerifiedLevels, x.result, x.levels)
		}
		for _, s := range []*intoto.Statement{s, open(name + ".provenance.json")} {
			if got := s.Subject[0].Digest["gitCommit"]; got != tips[x.of] || got == "" {
				t.Errorf("%s is about commit %s, want %s", s.PredicateType, got, tips[x.of])
			}
		}
	}
	if n := len(b.named(t, "attestations/*")); n != 12 {
		t.Errorf("got %d statements, want 12", n)
	}
}
