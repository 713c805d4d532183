// Package s3sim is a simulated storage with the requests of S3 that package bucket makes, over real HTTP, for
// tests. It checks signatures and digests by itself, and keeps versions and locks as AWS documents them.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/
package s3sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bucket is the name of its one bucket, and Region where it is.
const (
	Bucket = "evidence"
	Region = "eu-test-1"
	// AccessKeyID and Secret are the key that it takes.
	AccessKeyID = "AKIATEST"
	Secret      = "the-s3cret/of+the=key"
)

// Storage is a simulated storage.
type Storage struct {
	URL string

	mu       sync.Mutex
	is       Behaviour
	objects  map[string][]Version // oldest first
	requests []string
	made     int
}

// Behaviour is how a storage is, where it is not as it should be. The zero value is AWS with a bucket that
// has object lock.
type Behaviour struct {
	Unversioned bool // the bucket is not versioned, and so has no object lock
	NoLock      bool // it is versioned, and has no object lock
	// Deaf takes locks and does not have them, and Shortens has them end an hour earlier than asked for.
	Deaf, Shortens bool
	// NoDigests does not keep the digest of an object, and Alters keeps another object.
	NoDigests, Alters bool
	// Status is answered to everything; 0: nothing is. Hangs answers nothing.
	Status int
	Hangs  bool
	// LoseAnswers has this many objects taken, and their connections closed before they are answered.
	LoseAnswers int
}

// Version is one version of an object.
type Version struct {
	ID      string
	Content []byte
	Mode    string // empty: it is not locked
	Until   time.Time
	digest  string // base64; empty: none is kept
}

// New starts a storage that ends with the test.
func New(t testing.TB) *Storage {
	s := &Storage{objects: map[string][]Version{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Be makes it behave so from now on.
func (s *Storage) Be(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is = b
}

// Objects are the names of what is there, in order.
func (s *Storage) Objects() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Versions are those of an object, oldest first.
func (s *Storage) Versions(name string) []Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.objects[name])
}

// Requests are the methods and addresses of all requests so far.
func (s *Storage) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// failure is an error of the storage.
type failure struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
	status  int
}

func refuse(status int, code, message string) *failure {
	return &failure{Code: code, Message: message, status: status}
}

// ServeHTTP answers one request.
func (s *Storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	is := s.is
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	if is.Hangs {
		<-r.Context().Done()
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f := refuse(is.Status, "Broken", "It is\a\u202e broken.\n"+strings.Repeat("x", 9000))
	if is.Status == 0 {
		if f = verify(r, body, time.Now()); f == nil {
			f = s.answer(w, r, body)
		}
	}
	if f == nil {
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_ = xml.NewEncoder(w).Encode(f)
	}
}

// answer does what is asked for.
func (s *Storage) answer(w http.ResponseWriter, r *http.Request, body []byte) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch {
	case bucket != Bucket:
		return refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case name == "" && r.Method == http.MethodGet && q.Has("versioning"):
		return s.versioning(w)
	case name == "" && r.Method == http.MethodGet && q.Has("object-lock"):
		return s.objectLock(w)
	case name == "":
	case r.Method == http.MethodPut && q.Has("retention"):
		return s.putRetention(r, name, body)
	case r.Method == http.MethodPut && len(q) == 0:
		return s.put(w, r, name, body)
	case r.Method == http.MethodHead, r.Method == http.MethodGet:
		return s.get(w, r, name, q.Get("versionId"))
	}
	return refuse(http.StatusNotImplemented, "NotImplemented", r.Method+" "+r.URL.RequestURI())
}

func (s *Storage) versioning(w io.Writer) *failure {
	if s.is.Unversioned {
		fmt.Fprint(w, `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`)
		return nil
	}
	fmt.Fprint(w, `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`)
	return nil
}

func (s *Storage) locks() bool { return !s.is.Unversioned && !s.is.NoLock }

func (s *Storage) objectLock(w io.Writer) *failure {
	if !s.locks() {
		return refuse(http.StatusNotFound, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
	}
	fmt.Fprint(w, `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`)
	return nil
}

// put keeps a new version. Source: API_PutObject.html, and object-lock.html for the lock.
func (s *Storage) put(w http.ResponseWriter, r *http.Request, name string, body []byte) *failure {
	v := Version{ID: "null", Content: body}
	mode, until := r.Header.Get("X-Amz-Object-Lock-Mode"), r.Header.Get("X-Amz-Object-Lock-Retain-Until-Date")
	sum := sha256.Sum256(body)
	v.digest = base64.StdEncoding.EncodeToString(sum[:])
	switch told := r.Header.Get("X-Amz-Checksum-Sha256"); {
	case told == "" && mode != "" && r.Header.Get("Content-Md5") == "":
		return refuse(http.StatusBadRequest, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	case told != "" && told != v.digest:
		return refuse(http.StatusBadRequest, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
	}
	if mode != "" || until != "" {
		at, f := s.lockOf(mode, until)
		if f != nil && !s.is.Deaf {
			return f
		}
		if !s.is.Deaf {
			v.Mode, v.Until = mode, at
		}
	}
	if s.is.NoDigests {
		v.digest = ""
	}
	if s.is.Alters {
		v.Content = append([]byte("x"), body[1:]...)
		altered := sha256.Sum256(v.Content)
		v.digest = base64.StdEncoding.EncodeToString(altered[:])
	}
	if s.is.Unversioned {
		s.objects[name] = []Version{v}
	} else {
		s.made++
		v.ID = fmt.Sprintf("version.%d_%s", s.made, hex.EncodeToString(sum[:4]))
		s.objects[name] = append(s.objects[name], v)
		w.Header().Set("X-Amz-Version-Id", v.ID)
	}
	if s.is.LoseAnswers > 0 {
		s.is.LoseAnswers--
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Etag", `"`+hex.EncodeToString(sum[:16])+`"`)
	return nil
}

// lockOf reads a lock that is asked for.
func (s *Storage) lockOf(mode, until string) (time.Time, *failure) {
	at, err := time.Parse(time.RFC3339, until)
	switch {
	case !s.locks():
		return at, refuse(http.StatusBadRequest, "InvalidRequest", "Bucket is missing Object Lock Configuration")
	case mode != "COMPLIANCE" && mode != "GOVERNANCE" || err != nil:
		return at, refuse(http.StatusBadRequest, "InvalidArgument", "Unknown wormMode directive.")
	case !at.After(time.Now()):
		return at, refuse(http.StatusBadRequest, "InvalidArgument", "The retain until date must be in the future!")
	case s.is.Shortens:
		at = at.Add(-time.Hour)
	}
	return at, nil
}

// find finds a version of an object; without an id, the newest.
func (s *Storage) find(name, id string) (*Version, *failure) {
	list := s.objects[name]
	if len(list) == 0 {
		return nil, refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	}
	if id == "" {
		return &list[len(list)-1], nil
	}
	i := slices.IndexFunc(list, func(v Version) bool { return v.ID == id })
	if i < 0 {
		return nil, refuse(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
	}
	return &list[i], nil
}

// get answers with an object, or with what there is to say of it.
func (s *Storage) get(w http.ResponseWriter, r *http.Request, name, id string) *failure {
	v, f := s.find(name, id)
	if f != nil {
		return f
	}
	h := w.Header()
	if v.ID != "null" {
		h.Set("X-Amz-Version-Id", v.ID)
	}
	if v.digest != "" && r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		h.Set("X-Amz-Checksum-Sha256", v.digest)
		h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
	if v.Mode != "" {
		h.Set("X-Amz-Object-Lock-Mode", v.Mode)
		h.Set("X-Amz-Object-Lock-Retain-Until-Date", v.Until.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	h.Set("Etag", `"5e"`)
	h.Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(v.Content)))
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, bytes.NewReader(v.Content))
	}
	return nil
}

// lock is a lock in XML.
type lock struct {
	XMLName         xml.Name `xml:"Retention"`
	Mode            string
	RetainUntilDate string
}

// putRetention sets the lock of a version. Without the right to, nobody makes one end earlier, or another one
// of COMPLIANCE. Source: API_PutObjectRetention.html.
func (s *Storage) putRetention(r *http.Request, name string, body []byte) *failure {
	v, f := s.find(name, r.URL.Query().Get("versionId"))
	if f != nil {
		return f
	}
	var asked lock
	if err := xml.Unmarshal(body, &asked); err != nil {
		return refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed")
	}
	at, f := s.lockOf(asked.Mode, asked.RetainUntilDate)
	switch {
	case f != nil:
		return f
	case v.Mode != "" && (at.Before(v.Until) || asked.Mode != v.Mode):
		return refuse(http.StatusForbidden, "AccessDenied", "Access Denied because object protected by object lock.")
	case !s.is.Deaf:
		v.Mode, v.Until = asked.Mode, at
	}
	return nil
}
