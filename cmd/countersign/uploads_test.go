package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bucket/s3sim"
	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/store"
)

// bucketSettings are the settings of a storage's bucket, in a file of their own, as serve takes it.
func bucketSettings(t *testing.T, s *s3sim.Storage) string {
	t.Helper()
	folder := t.TempDir()
	secret, file := filepath.Join(folder, "secret"), filepath.Join(folder, "settings.yml")
	mustDo(t, os.WriteFile(secret, []byte(s3sim.Secret+"\n"), 0o600))
	mustDo(t, os.WriteFile(file, fmt.Appendf(nil, "bucket:\n  name: %s\n  endpoint: %s\n  region: %s\n  prefix: countersign/\n  access_key_id: %s\n  secret_access_key_file: %s\n  retention: 2y\n",
		s3sim.Bucket, s.URL, s3sim.Region, s3sim.AccessKeyID, secret), 0o600))
	return file
}

// bundleThatWaits is a bundle that was made on the page, while the storage that it is to go to is down: the
// storage, the world, who asked for it, and its page.
func bundleThatWaits(t *testing.T) (s *s3sim.Storage, w *acme, admin *browser, at string) {
	t.Helper()
	s = s3sim.New(t)
	s.Be(s3sim.Behaviour{Status: http.StatusServiceUnavailable})
	w = &acme{sim: ghsim.New(ghsim.Options{}), folder: t.TempDir(), at: databaseOf(t), noisy: fast, file: bucketSettings(t, s)}
	w.mustBegin(t)
	mustDo(t, w.greenPull(t, "a change").Merge(w.bob, "squash"))
	w.mustSettle(t)
	admin, _ = w.signIn(t, w.carol)
	at = admin.asks(w, url.Values{"from": {day(-1)}, "to": {day(0)}})
	admin.made(w, at)
	return s, w, admin, at
}

// stored are the accesses that say that a bundle is in a bucket.
func (w *acme) stored(t *testing.T) (out []store.Access) {
	t.Helper()
	list, _, err := w.server.store.Tenant(w.org.ID()).Accesses(t.Context())
	orFatal(t, err)
	for _, a := range list {
		if a.What == store.AccessStored {
			out = append(out, a.Access)
		}
	}
	return out
}

// A bundle that was made on the page goes into the bucket by itself, however often the storage fails and the
// server dies: once, locked, and on record once.
func TestBundleGoesIntoTheBucket(t *testing.T) {
	t.Parallel()
	s, w, admin, at := bundleThatWaits(t)
	n, id := w.server.store.Tenant(w.org.ID()), filepath.Base(at)
	upload := func() *store.Upload {
		b, err := n.Bundle(t.Context(), id)
		orFatal(t, err)
		return b.Upload
	}
	failedTimes := func(attempts int) {
		t.Helper()
		w.waitUntil(t, func() bool { u := upload(); return u.Attempts == attempts && u.Run == "" && u.Cause != "" })
	}
	failedTimes(1)
	admin.wantPage(at, http.StatusOK, []string{"It is NOT locked in the bucket.", "The storage answered 503 Service Unavailable.", "It is tried again at", "Attempts so far: 1."}, "It is locked in", s3sim.Secret)
	admin.wantPage("/orgs/acme/evidence", http.StatusOK, []string{"is made, and NOT in the bucket"})
	if waiting, err := w.server.store.CountUploads(t.Context()); err != nil || waiting != 1 {
		t.Errorf("%d wait (%v), want 1", waiting, err)
	}
	if wait := upload().NextAt.Sub(w.now()); wait <= 0 || wait > uploadAgain {
		t.Errorf("it is tried again after %s, want %s at most", wait, uploadAgain)
	}

	// The storage takes the lock and does not have it: that is not called locked.
	s.Be(s3sim.Behaviour{Deaf: true})
	w.later(uploadAgain)
	failedTimes(2)
	admin.wantPage(at, http.StatusOK, []string{"It is NOT locked in the bucket.", "and is NOT known to be locked: the storage took the lock and shows none", "Attempts so far: 2."}, "It is locked in")
	object := s.Objects()[0]
	if want := fmt.Sprintf("countersign/%d/%s-%s-%s.zip", w.org.ID(), day(-1), day(0), upload().SHA256); object != want || len(s.Objects()) != 1 {
		t.Errorf("the bucket has %v, want %s", s.Objects(), want)
	}

	// The answer to the one that is taken next is lost, and the server with it: whoever is at it is dead.
	s.Be(s3sim.Behaviour{Status: http.StatusServiceUnavailable})
	w.restart(t)
	n = w.server.store.Tenant(w.org.ID())
	w.later(2 * uploadAgain)
	failedTimes(3)
	w.later(uploadAgainMost)
	var killed store.Bundle
	w.waitUntil(t, func() (took bool) {
		var err error
		killed, err = n.TakeUpload(t.Context(), id)
		return err == nil
	})
	s.Be(s3sim.Behaviour{})
	if u := upload(); !u.Busy(w.now()) || u.Run != killed.Upload.Run {
		t.Fatalf("got %+v, want that the one that dies is at it", u)
	}
	admin, _ = w.signIn(t, w.carol)
	admin.wantPage(at, http.StatusOK, []string{"It is being put there now."})
	w.later(2 * time.Minute)
	w.waitUntil(t, func() bool { return !upload().Waits() })
	where := *upload().Stored
	admin.wantPage(at, http.StatusOK, []string{"It is locked in the bucket", where.VersionID, object, "nobody can change or delete it"}, "NOT locked")
	admin.wantPage("/orgs/acme/evidence", http.StatusOK, []string{"is made, and locked in the bucket", "Locked in the bucket evidence"})
	admin.wantPage("/orgs/acme/ledger", http.StatusOK, []string{"had a bundle locked in the bucket"}, s3sim.Secret)

	// What is there is the bundle, once, locked for two years from when it was made.
	list := s.Versions(object)
	_, file := admin.get(at + "/file")
	if len(list) != 1 || string(list[0].Content) != file || list[0].Mode != "COMPLIANCE" || !list[0].Until.Equal(where.LockedUntil) || list[0].ID != where.VersionID {
		t.Errorf("the bucket has %d versions, the last %+v", len(list), list[len(list)-1])
	}
	if keeps := where.LockedUntil.Sub(w.now()); keeps < 729*24*time.Hour || keeps > 731*24*time.Hour {
		t.Errorf("it is locked for %s", keeps)
	}
	if report, err := evidence.Verify(bytes.NewReader(list[0].Content), int64(len(list[0].Content)), evidence.Trust{}); err != nil || report.Manifest.Organisation != "acme" {
		t.Errorf("what is in the bucket: %v", err)
	}
	if on := w.stored(t); len(on) != 1 || *on[0].Stored != where || on[0].By.Login != "carol" {
		t.Errorf("on record: %+v", on)
	}
	w.nowhere(t, s3sim.Secret)
}

// What waits for the bucket stays for longer than a day, and not for ever.
func TestWhatWaitsForTheBucketStays(t *testing.T) {
	t.Parallel()
	_, w, _, at := bundleThatWaits(t)
	file := filepath.Join(w.folder, "bundles", filepath.Base(at)+".zip")
	for _, c := range []struct {
		after time.Duration
		stays bool
	}{{25 * time.Hour, true}, {5 * 24 * time.Hour, true}, {2 * 24 * time.Hour, false}} {
		w.later(c.after)
		orFatal(t, w.server.bundles.sweep(t.Context()))
		_, err := os.Stat(file)
		list, listErr := w.server.store.Tenant(w.org.ID()).Bundles(t.Context(), 5)
		orFatal(t, listErr)
		if (err == nil) != c.stays || (len(list) == 1) != c.stays {
			t.Errorf("%s later: file %v, rows %d, want that they stay: %t", c.after, err, len(list), c.stays)
		}
	}
}

// The command puts its bundle into the same bucket, says where it is, and does it once.
func TestExportUploads(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	s := s3sim.New(t)
	settings, err := w.settings()
	orFatal(t, err)
	export := func(file string, more ...string) (said string, err error) {
		var out bytes.Buffer
		args := append([]string{"export", "--org", "acme", "--from", day(-1), "--to", day(1), "--database", w.database(), "--key", settings["COUNTERSIGN_SIGNING_KEY_FILE"], "-o", file}, more...)
		err = run(t.Context(), args, func(name string) string { return settings[name] }, nil, &out, &out)
		return out.String(), err
	}
	file := filepath.Join(t.TempDir(), "acme.zip")
	if _, err := export(file, "--upload"); err == nil || !strings.Contains(err.Error(), "the settings have no bucket") {
		t.Errorf("without a bucket: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("without a bucket: the bundle was written")
	}
	config := bucketSettings(t, s)
	s.Be(s3sim.Behaviour{LoseAnswers: 1})
	said, err := export(file, "--upload", "--config", config)
	if err == nil || !strings.Contains(err.Error(), "is not known to be locked in the bucket: The storage cannot be reached.") || strings.Contains(err.Error()+said, s3sim.Secret) {
		t.Fatalf("its answer is lost: %v\n%s", err, said)
	}
	size := number(w.verified(t, file).Report.Manifest.LogSize)
	if !strings.Contains(err.Error(), "--log-size "+size) || len(w.stored(t)) != 0 {
		t.Errorf("got %v, and on record %+v", err, w.stored(t))
	}
	// The same again has the same bytes, and finds them there.
	again := filepath.Join(t.TempDir(), "again.zip")
	said, err = export(again, "--log-size", size, "--upload", "--config", config)
	on := w.stored(t)
	if err != nil || len(on) != 1 || !strings.Contains(said, "It is in the bucket evidence as "+on[0].Stored.Object+", version "+on[0].Stored.VersionID) {
		t.Fatalf("again: %v\n%s\non record %+v", err, said, on)
	}
	list := s.Versions(on[0].Stored.Object)
	if len(s.Objects()) != 1 || len(list) != 1 || !bytes.Equal(list[0].Content, mustRead(t, again)) || list[0].Mode != "COMPLIANCE" {
		t.Errorf("the bucket has %v", s.Objects())
	}
	var out bytes.Buffer
	orFatal(t, run(t.Context(), []string{"access", "list", "--org", "acme", "--database", w.database()}, os.Getenv, nil, &out, &out))
	if want := "in the bucket evidence as " + on[0].Stored.Object; !strings.Contains(out.String(), want) {
		t.Errorf("access list does not say %q:\n%s", want, &out)
	}
	var q evidence.Query
	orFatal(t, json.Unmarshal(on[0].Query, &q))
	if on[0].ManifestSHA256 == "" || q.From.Format(time.DateOnly) != day(-1) {
		t.Errorf("on record: %+v", on[0])
	}
}

func TestAgainAfter(t *testing.T) {
	for attempts, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 6: 32 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		if got := againAfter(attempts); got != want {
			t.Errorf("after %d attempts: got %s, want %s", attempts, got, want)
		}
	}
}
