package web

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// download is a large file that somebody takes, as it is read.
type download struct {
	name, kind     string
	bytes          int64
	content        io.ReadCloser
	manifestSHA256 string // of a bundle of evidence
}

// stream serves a file too large for memory. Like others, it is noted before its first byte is sent.
func (s *Site) stream(open func(v *visit) (download, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := s.enter(w, r)
		if !ok {
			return
		}
		out, err := open(v)
		if err == nil {
			defer out.content.Close()
			err = s.noteAccess(v, out.manifestSHA256)
		}
		if err != nil {
			s.refuse(w, r, s.frameOf(v), err)
			return
		}
		w.Header().Set("Content-Type", out.kind)
		w.Header().Set("Content-Length", strconv.FormatInt(out.bytes, 10))
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", out.name))
		if _, err := io.Copy(patient{w, http.NewResponseController(w)}, out.content); err != nil {
			s.Log.Debug().Err(err).Msg("a file was not taken")
		}
	})
}

// patience is how long a browser may take for each part of a file.
const patience = 30 * time.Second

// patient writes for as long as the browser takes something: the server's time for an answer is
// meant for pages.
type patient struct {
	w       io.Writer
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
