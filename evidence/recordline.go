package evidence

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
)

// recordLine is one line of a file of records: a record, with the salt that its leaf commits to it
// with. It has one spelling.
type recordLine struct {
	Index int64
	Salt  []byte
	Body  []byte
}

var base64Line = base64.StdEncoding.Strict()

// encode writes the line, with its end. It is JSON.
func (r recordLine) encode() []byte {
	out := append([]byte(`{"index":`), strconv.FormatInt(r.Index, 10)...)
	out = append(out, `,"salt":"`...)
	out = base64Line.AppendEncode(out, r.Salt)
	out = append(out, `","body":"`...)
	out = base64Line.AppendEncode(out, r.Body)
	return append(out, "\"}\n"...)
}

// errRecordLine: a line is not in the form that is written.
var errRecordLine = errors.New("it is not in the form that is written")

// decodeRecordLine reads a line without its end. Records are many and large, so it is read by hand.
func decodeRecordLine(line []byte) (r recordLine, err error) {
	index, rest, ok := between(line, `{"index":`, `,"salt":"`)
	salt, rest, ok2 := between(rest, "", `","body":"`)
	body, rest, ok3 := between(rest, "", `"}`)
	if !ok || !ok2 || !ok3 || len(rest) != 0 {
		return r, errRecordLine
	}
	if r.Index, err = strconv.ParseInt(string(index), 10, 64); err != nil || strconv.FormatInt(r.Index, 10) != string(index) {
		return r, errRecordLine
	}
	if bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, '\n') >= 0 { // base64 passes over them
		return r, errRecordLine
	}
	if r.Salt, err = base64Line.AppendDecode(nil, salt); err != nil {
		return r, errRecordLine
	}
	if r.Body, err = base64Line.AppendDecode([]byte{}, body); err != nil {
		return r, errRecordLine
	}
	return r, nil
}

// indexOf is the leaf that a line says it is the record of; -1: it says none.
func indexOf(line []byte) int64 {
	index, _, _ := between(line, `{"index":`, `,`)
	n, err := strconv.ParseInt(string(index), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// between cuts what stands between two texts, the first of which begins b.
func between(b []byte, first, second string) (found, rest []byte, ok bool) {
	b, ok = bytes.CutPrefix(b, []byte(first))
	if !ok {
		return nil, nil, false
	}
	return bytes.Cut(b, []byte(second))
}
