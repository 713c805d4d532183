package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/countersign/countersign/bucket/s3sim"
)

var content = []byte("a bundle, as far as the storage is concerned")

// file is a file to be locked for some hours.
func file(hours int) File {
	return File{Key: "countersign/7/2026-01-01-2026-03-31-5e.zip", SHA256: sha256.Sum256(content), Bytes: int64(len(content)), Mode: Compliance,
		Until: time.Now().Add(time.Duration(hours) * time.Hour).UTC().Truncate(time.Second)}
}

func open(t *testing.T, endpoint string, change func(*Settings)) *Bucket {
	t.Helper()
	s := Settings{Endpoint: endpoint, Region: s3sim.Region, Name: s3sim.Bucket, AccessKeyID: s3sim.AccessKeyID, SecretAccessKey: s3sim.Secret, UserAgent: "countersign/test"}
	if change != nil {
		change(&s)
	}
	b, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *Bucket) puts(t *testing.T, f File) Locked {
	t.Helper()
	l, err := b.Put(t.Context(), f, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A file is put once, whoever asks how often, and its lock only ever becomes longer.
func TestPut(t *testing.T) {
	s := s3sim.New(t)
	b, f := open(t, s.URL, nil), file(24)
	first := b.puts(t, f)
	if first.VersionID == "" || first.Mode != Compliance || !first.Until.Equal(f.Until) {
		t.Errorf("got %+v, want it locked until %s", first, f.Until)
	}
	if again := b.puts(t, f); again != first {
		t.Errorf("again: got %+v, want %+v", again, first)
	}
	if shorter := b.puts(t, file(1)); shorter != first {
		t.Errorf("for a shorter time: got %+v, want %+v", shorter, first)
	}
	f = file(48)
	if longer := b.puts(t, f); longer.VersionID != first.VersionID || !longer.Until.Equal(f.Until) {
		t.Errorf("for a longer time: got %+v, want the same version until %s", longer, f.Until)
	}
	if list := s.Versions(f.Key); len(list) != 1 || !bytes.Equal(list[0].Content, content) {
		t.Errorf("the storage has %+v, want one version with the content", list)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

// The mode that is asked for is what there is, or a stronger one.
func TestGovernance(t *testing.T) {
	s := s3sim.New(t)
	b, f := open(t, s.URL, nil), file(24)
	f.Mode = Governance
	weak := b.puts(t, f)
	if weak.Mode != Governance {
		t.Errorf("got %+v", weak)
	}
	f.Mode = Compliance
	if l, err := b.Put(t.Context(), f, bytes.NewReader(content)); err == nil {
		t.Errorf("a weaker lock than was asked for is taken for one: %+v", l)
	}
	strong := file(24)
	strong.Key = "other.zip"
	b.puts(t, strong)
	strong.Mode = Governance
	if l := b.puts(t, strong); l.Mode != Compliance {
		t.Errorf("got %+v, want the stronger lock that is there", l)
	}
}

// An answer that is lost after the object was taken leaves one version, and so does everything after it.
func TestLostAnswer(t *testing.T) {
	s := s3sim.New(t)
	b, f := open(t, s.URL, nil), file(24)
	s.Be(s3sim.Behaviour{LoseAnswers: 1})
	var p *Problem
	if _, err := b.Put(t.Context(), f, bytes.NewReader(content)); !errors.As(err, &p) || !strings.Contains(p.What, "cannot be reached") {
		t.Fatalf("got %v, want that the storage was not reached", err)
	}
	b.puts(t, f)
	if n := len(s.Versions(f.Key)); n != 1 {
		t.Errorf("%d versions, want 1", n)
	}
}

// A storage that keeps no digests is asked for what it has.
func TestWithoutDigests(t *testing.T) {
	s := s3sim.New(t)
	b, f := open(t, s.URL, nil), file(24)
	s.Be(s3sim.Behaviour{NoDigests: true})
	first := b.puts(t, f)
	if again := b.puts(t, f); again != first || len(s.Versions(f.Key)) != 1 {
		t.Errorf("again: got %+v, want %+v", again, first)
	}
	s.Be(s3sim.Behaviour{NoDigests: true, Alters: true})
	f.Key = "altered.zip"
	if l, err := b.Put(t.Context(), f, bytes.NewReader(content)); err == nil {
		t.Errorf("something else is there: got %+v", l)
	}
}

// Something else under the name is not the file, and stays.
func TestSomethingElseThere(t *testing.T) {
	s := s3sim.New(t)
	b, f := open(t, s.URL, nil), file(24)
	other := f
	other.SHA256 = sha256.Sum256([]byte("something of another length"))
	other.Bytes = 27
	if _, err := b.Put(t.Context(), other, strings.NewReader("something of another length")); err != nil {
		t.Fatal(err)
	}
	l := b.puts(t, f)
	list := s.Versions(f.Key)
	if len(list) != 2 || list[1].ID != l.VersionID || !bytes.Equal(list[1].Content, content) {
		t.Errorf("the storage has %+v, want the file as the second version, %s", list, l.VersionID)
	}
}

// What is not known to be locked is never called so; each error says what happened and what to do, and holds
// neither the secret nor, for people, an address.
func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		is       s3sim.Behaviour
		settings func(*Settings)
		change   func(*File)
		what, do string
	}{
		"no object lock":       {is: s3sim.Behaviour{NoLock: true}, what: "has no object lock", do: "Make a bucket with object lock"},
		"not versioned":        {is: s3sim.Behaviour{Unversioned: true}, what: "has no object lock", do: "Make a bucket with object lock"},
		"not versioned, deaf":  {is: s3sim.Behaviour{Unversioned: true, Deaf: true}, what: "gave it no version", do: "Make a bucket with object lock"},
		"takes locks, no more": {is: s3sim.Behaviour{Deaf: true}, what: "is NOT known to be locked: the storage took the lock and shows none", do: "s3:GetObjectRetention"},
		"ends earlier":         {is: s3sim.Behaviour{Shortens: true}, what: "is NOT locked as asked for: its lock is COMPLIANCE until", do: "rules of retention"},
		"alters":               {is: s3sim.Behaviour{Alters: true}, what: "something else in its place", do: "Look at the storage"},
		"broken":               {is: s3sim.Behaviour{Status: 503}, what: "answered 503 Service Unavailable", do: "Look at the storage"},
		"another file":         {change: func(f *File) { f.SHA256[0]++ }, what: "is not the file as it was made", do: "make the bundle again"},
		"too large":            {change: func(f *File) { f.Bytes = MostBytes + 1 }, what: "in one request", do: "shorter period"},
		"another secret":       {settings: func(s *Settings) { s.SecretAccessKey = "another-s3cret" }, what: "refuses", do: "COUNTERSIGN_BUCKET_ACCESS_KEY_ID"},
		"another key":          {settings: func(s *Settings) { s.AccessKeyID = "AKIAOTHER" }, what: "refuses", do: "COUNTERSIGN_BUCKET_ACCESS_KEY_ID"},
		"another region":       {settings: func(s *Settings) { s.Region = "us-east-1" }, what: "answered 400 Bad Request", do: "COUNTERSIGN_BUCKET_REGION"},
		"another bucket":       {settings: func(s *Settings) { s.Name = "elsewhere" }, what: "The bucket is not there", do: "Make it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := s3sim.New(t)
			s.Be(c.is)
			f := file(24)
			if c.change != nil {
				c.change(&f)
			}
			l, err := open(t, s.URL, c.settings).Put(t.Context(), f, bytes.NewReader(content))
			wantProblem(t, err, c.what, c.do)
			if l != (Locked{}) {
				t.Errorf("with the error: %+v", l)
			}
		})
	}
}

func wantProblem(t *testing.T, err error, what, do string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) || !strings.Contains(p.What, what) || !strings.Contains(p.Do, do) {
		t.Fatalf("got %v, want %q and %q", err, what, do)
	}
	if said := strings.TrimSuffix(err.Error(), "\n  hint: "+p.Do); len(said) > 600 || strings.ContainsFunc(said, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		t.Errorf("it says what the storage said as it came: %q", said)
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(p.What, "127.0.0.1") || strings.Contains(p.What, "http") {
		t.Errorf("it says too much: %v", err)
	}
}

// What is seen without putting anything.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		is       s3sim.Behaviour
		settings func(*Settings)
		what, do string
	}{
		"no object lock": {is: s3sim.Behaviour{NoLock: true}, what: "has no object lock", do: "Make a bucket"},
		"not versioned":  {is: s3sim.Behaviour{Unversioned: true}, what: "not versioned", do: "Make a bucket"},
		"another secret": {settings: func(s *Settings) { s.SecretAccessKey = "another-s3cret" }, what: "its secret is another one", do: "Correct COUNTERSIGN_BUCKET_ACCESS_KEY_ID"},
		"another key":    {settings: func(s *Settings) { s.AccessKeyID = "AKIAOTHER" }, what: "does not know the access key", do: "Correct"},
		"another region": {settings: func(s *Settings) { s.Region = "us-east-1" }, what: "in another region", do: "COUNTERSIGN_BUCKET_REGION"},
		"another bucket": {settings: func(s *Settings) { s.Name = "elsewhere" }, what: "is not there", do: "Make it"},
		"broken":         {is: s3sim.Behaviour{Status: 500}, what: "answered Broken", do: "Look at the storage"},
		"unreachable":    {settings: func(s *Settings) { s.Endpoint = "http://127.0.0.1:1" }, what: "cannot be reached", do: "COUNTERSIGN_BUCKET_ENDPOINT"},
		"no certificate": {settings: func(s *Settings) { s.Endpoint = strings.Replace(s.Endpoint, "http:", "https:", 1) }, what: "cannot be reached", do: "trust its certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := s3sim.New(t)
			s.Be(c.is)
			wantProblem(t, open(t, s.URL, c.settings).Check(t.Context()), c.what, c.do)
			if slices.ContainsFunc(s.Requests(), func(r string) bool { return !strings.HasPrefix(r, "GET ") }) {
				t.Errorf("it did more than read: %v", s.Requests())
			}
		})
	}
}

// Whoever stops is not told that the storage is at fault, and a storage that is silent holds nobody.
func TestStopped(t *testing.T) {
	s := s3sim.New(t)
	s.Be(s3sim.Behaviour{Hangs: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, s.URL, nil).Put(ctx, file(24), bytes.NewReader(content)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was stopped", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := open(t, s.URL, nil).Put(ctx, file(24), bytes.NewReader(content))
	wantProblem(t, err, "did not answer in time", "COUNTERSIGN_BUCKET_ENDPOINT")
	var address *net.OpError
	if errors.As(err, &address) {
		t.Errorf("got %v", address)
	}
}
