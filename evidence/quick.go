package evidence

import (
	"encoding"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// quickly returns what decodes JSON as json.Unmarshal does, and several times as fast where it is in
// the form that json.Marshal writes: most of what a bundle is verified with is such JSON, and
// decoding it was most of the work. Anything else is left to json.Unmarshal, so what comes out is
// what comes out there, always. What it returns is for one goroutine.
//
// A quick form of a type is known when it is made of structs, slices, pointers, strings, numbers
// without a fraction, booleans and times. Of other types everything is left to json.Unmarshal.
func quickly[T any]() func(src []byte) (*T, error) {
	form, read := formOf(reflect.TypeFor[T](), nil), &quick{}
	return func(src []byte) (*T, error) {
		out := new(T)
		if read.src, read.at = src, 0; form != nil && form(read, reflect.ValueOf(out).Elem()) && read.at == len(src) {
			return out, nil
		}
		out = new(T)
		return out, json.Unmarshal(src, out)
	}
}

// form reads a value of one type; false: it is not in the form that is written.
type form func(q *quick, into reflect.Value) bool

// formOf is the form of a type, which is a part of others; nil: there is no quick one.
func formOf(t reflect.Type, of []reflect.Type) form {
	if t == reflect.TypeFor[time.Time]() {
		return (*quick).time
	}
	if slices.Contains(of, t) || decodesItself(t) || decodesItself(reflect.PointerTo(t)) || t == reflect.TypeFor[json.Number]() {
		return nil // json.Number is a string that takes numbers
	}
	of = append(of, t)
	switch t.Kind() {
	case reflect.String:
		return (*quick).string
	case reflect.Bool:
		return (*quick).bool
	case reflect.Int, reflect.Int64:
		return (*quick).int
	case reflect.Pointer:
		return pointerForm(t.Elem(), formOf(t.Elem(), of))
	case reflect.Slice:
		return sliceForm(t, formOf(t.Elem(), of))
	case reflect.Struct:
		return structForm(t, of)
	}
	return nil
}

func decodesItself(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Unmarshaler]()) || t.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func pointerForm(to reflect.Type, elem form) form {
	if elem == nil {
		return nil
	}
	return func(q *quick, into reflect.Value) bool {
		if q.literal("null") {
			return true
		}
		p := reflect.New(to)
		into.Set(p)
		return elem(q, p.Elem())
	}
}

func sliceForm(t reflect.Type, elem form) form {
	if elem == nil {
		return nil
	}
	return func(q *quick, into reflect.Value) bool {
		switch {
		case q.literal("null"):
			return true
		case q.literal("[]"):
			into.Set(reflect.MakeSlice(t, 0, 0))
			return true
		case !q.literal("["):
			return false
		}
		for n := 0; ; n++ {
			if n == into.Cap() {
				into.Grow(1)
			}
			into.SetLen(n + 1)
			if !elem(q, into.Index(n)) {
				return false
			}
			if !q.literal(",") {
				return q.literal("]")
			}
		}
	}
}

// fieldName is a name that JSON writes as it is, and no other.
var fieldName = regexp.MustCompile(`^[a-z0-9_]+$`)

// fieldForm is a field of a struct.
type fieldForm struct {
	name string
	key  string // as it is written
	at   int
	form form
}

// structForm is that of an object with fields of a struct, in its order. Each may be missing, and
// there may be others, of plain values.
func structForm(t reflect.Type, of []reflect.Type) form {
	var fields []fieldForm
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		value := formOf(f.Type, of)
		twice := slices.ContainsFunc(fields, func(g fieldForm) bool { return g.name == name })
		if value == nil || f.Anonymous || !f.IsExported() || !fieldName.MatchString(name) || twice || strings.Contains(options, "string") {
			return nil
		}
		fields = append(fields, fieldForm{name, `"` + name + `":`, i, value})
	}
	return func(q *quick, into reflect.Value) bool {
		if q.literal("{}") {
			return true
		}
		if !q.literal("{") {
			return false
		}
		for next := 0; ; {
			i := next
			for i < len(fields) && !q.literal(fields[i].key) {
				i++
			}
			if i == len(fields) {
				if !q.other(fields) {
					return false
				}
			} else if next = i + 1; !fields[i].form(q, into.Field(fields[i].at)) {
				return false
			}
			if !q.literal(",") {
				return q.literal("}")
			}
		}
	}
}

// other passes over a field that the struct does not have, of a plain value. One that the struct has
// is out of order, or there twice: json.Unmarshal takes upper case for lower case.
func (q *quick) other(fields []fieldForm) bool {
	name, plain, ok := q.quoted()
	known := func(f fieldForm) bool { return strings.EqualFold(f.name, string(name)) }
	if !ok || !plain || !q.literal(":") || slices.ContainsFunc(fields, known) {
		return false
	}
	if q.literal("true") || q.literal("false") || q.literal("null") {
		return true
	}
	if q.at < len(q.src) && q.src[q.at] == '"' {
		_, plain, ok = q.quoted()
		return plain && ok
	}
	_, ok = q.number()
	return ok
}
