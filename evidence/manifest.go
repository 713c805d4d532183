package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A manifest is JSON as json.MarshalIndent writes it. Almost all of it is its list of files, which can
// be long, so that is written and read by hand.

// What stands around the files of a manifest, each of which has a line for each of its fields.
const (
	filesBegin = "  \"files\": [\n"
	fileName   = "    {\n      \"name\": "
	fileSHA256 = ",\n      \"sha256\": "
	fileBytes  = ",\n      \"bytes\": "
	fileEnd    = "\n    }"
	filesNext  = ",\n"
	filesEnd   = "\n  ]\n}\n"
)

// encode writes a manifest in its one form.
func (m Manifest) encode() ([]byte, error) {
	files := m.Files
	if len(files) > 0 {
		m.Files = []FileInfo{}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	if len(files) == 0 {
		return append(b, '\n'), nil
	}
	size := len(b)
	for _, f := range files {
		size += len(fileName+fileSHA256+fileBytes+fileEnd+filesNext) + len(f.Name) + len(f.SHA256) + 24
	}
	out := append(make([]byte, 0, size), bytes.TrimSuffix(b, []byte("  \"files\": []\n}"))...)
	out = append(out, filesBegin...)
	for i, f := range files {
		if i > 0 {
			out = append(out, filesNext...)
		}
		out = appendText(append(out, fileName...), f.Name)
		out = appendText(append(out, fileSHA256...), f.SHA256)
		out = strconv.AppendInt(append(out, fileBytes...), f.Bytes, 10)
		out = append(out, fileEnd...)
	}
	return append(out, filesEnd...), nil
}

// appendText writes a text as JSON.
func appendText(out []byte, s string) []byte {
	if isName(s) {
		return append(append(append(out, '"'), s...), '"')
	}
	b, _ := json.Marshal(s) // no text gives an error
	return append(out, b...)
}

// isName says whether a text has nothing that JSON would escape. Names and digests have not.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '/' && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// decodeManifest reads a manifest. One that encodes to the same bytes again says what it says here:
// whoever reads it must compare.
func decodeManifest(raw []byte) (m Manifest, err error) {
	rest, files := raw, []FileInfo(nil)
	if head, list, ok := bytes.Cut(raw, []byte(filesBegin)); ok {
		if files, ok = decodeFiles(list); ok {
			rest = append(bytes.Clone(head), "  \"files\": []\n}\n"...)
		}
	}
	err = strictly(rest, &m)
	if len(files) > 0 {
		m.Files = files
	}
	return m, err
}

// decodeFiles reads what is behind filesBegin.
func decodeFiles(list []byte) (files []FileInfo, ok bool) {
	for {
		name, rest, ok := between(list, fileName+`"`, `"`+fileSHA256+`"`)
		digest, rest, ok2 := between(rest, "", `"`+fileBytes)
		size, rest, ok3 := between(rest, "", fileEnd)
		n, err := strconv.ParseInt(string(size), 10, 64)
		if !ok || !ok2 || !ok3 || err != nil || bytes.IndexByte(name, '\\') >= 0 || bytes.IndexByte(digest, '\\') >= 0 {
			return nil, false
		}
		f := FileInfo{Name: string(name), Bytes: n}
		if f.SHA256, _ = strings.CutPrefix(f.Name, blobs); f.SHA256 != string(digest) { // of a blob it is in its name, and there are many
			f.SHA256 = string(digest)
		}
		files = append(files, f)
		if string(rest) == filesEnd {
			return files, true
		}
		if list, ok = bytes.CutPrefix(rest, []byte(filesNext)); !ok {
			return nil, false
		}
	}
}
