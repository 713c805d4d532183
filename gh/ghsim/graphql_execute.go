package ghsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// resolver gives the value of one field of one type. of is the value of the object that
// has the field. A nil value is GraphQL's null; an error makes the field null with an
// entry in "errors".
//
// Objects of interface and union types are given as a typed; lists as slices.
type resolver func(q *gqlQuery, of any, args gqlArgs) (any, error)

// typed is an object together with the name of its GraphQL type.
type typed struct {
	name  string
	value any
}

// gqlQuery is one running query.
type gqlQuery struct {
	sim    *Sim
	viewer *viewer
	schema *ast.Schema
	doc    *ast.QueryDocument
	op     *ast.OperationDefinition
	vars   map[string]any
	cost   queryCost
	budget budget // after this query was charged
	repo   *repo  // the repository whose fields are being resolved
	faults []*GraphQLFault
	// collected remembers the fields of selection sets.
	collected map[selected][]fieldGroup
	errors    []*gqlError
}

// run executes the operation and returns its data, null when a null had to travel all
// the way up.
func (q *gqlQuery) run() any {
	data, ok := q.object("Query", nil, q.op.SelectionSet, nil)
	if !ok {
		return nil
	}
	return data
}

// object resolves the selected fields of one object of a concrete type. It reports false
// when a field that may not be null is null, which makes the whole object null.
func (q *gqlQuery) object(typeName string, value any, set ast.SelectionSet, path *gqlPath) (gqlObject, bool) {
	groups := q.groups(typeName, set)
	out := make(gqlObject, 0, len(groups))
	whole := true
	for _, g := range groups {
		v, ok := q.field(typeName, value, g, &gqlPath{above: path, key: g.key})
		if !ok {
			whole = false // and go on: the other fields' errors are reported too
		}
		out = append(out, gqlMember{g.key, v})
	}
	return out, whole
}

// fieldGroup is all selections of an object that share one key of the answer.
type fieldGroup struct {
	key    string
	fields []*ast.Field
}

// selections is what is selected below the group's fields.
func (g fieldGroup) selections() ast.SelectionSet {
	if len(g.fields) == 1 {
		return g.fields[0].SelectionSet
	}
	var set ast.SelectionSet
	for _, f := range g.fields {
		set = append(set, f.SelectionSet...)
	}
	return set // a new one each time, which groups does not find again; queries rarely do this
}

// groups is collect, remembered: the items of a list all have the same selections.
func (q *gqlQuery) groups(typeName string, set ast.SelectionSet) []fieldGroup {
	if len(set) == 0 {
		return nil
	}
	key := selected{typeName, &set[0]}
	if known, is := q.collected[key]; is {
		return known
	}
	if q.collected == nil {
		q.collected = map[selected][]fieldGroup{}
	}
	groups := q.collect(typeName, set, nil)
	q.collected[key] = groups
	return groups
}

// selected identifies a selection set, by its place in the query, on a type.
type selected struct {
	typeName string
	first    *ast.Selection
}

// collect flattens fragments that apply to the type, in the order of the query.
func (q *gqlQuery) collect(typeName string, set ast.SelectionSet, groups []fieldGroup) []fieldGroup {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if q.included(sel.Directives) {
				groups = addToGroup(groups, sel)
			}
		case *ast.InlineFragment:
			if q.included(sel.Directives) && q.applies(sel.TypeCondition, typeName) {
				groups = q.collect(typeName, sel.SelectionSet, groups)
			}
		case *ast.FragmentSpread:
			def := q.doc.Fragments.ForName(sel.Name)
			if q.included(sel.Directives) && q.applies(def.TypeCondition, typeName) {
				groups = q.collect(typeName, def.SelectionSet, groups)
			}
		}
	}
	return groups
}

func addToGroup(groups []fieldGroup, f *ast.Field) []fieldGroup {
	for i := range groups {
		if groups[i].key == f.Alias {
			groups[i].fields = append(groups[i].fields[:len(groups[i].fields):len(groups[i].fields)], f)
			return groups
		}
	}
	return append(groups, fieldGroup{f.Alias, []*ast.Field{f}})
}

// included evaluates @skip and @include.
func (q *gqlQuery) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		if on, _ := d.ArgumentMap(q.vars)["if"].(bool); on == (d.Name == "skip") {
			return false
		}
	}
	return true
}

// applies says whether an object of a concrete type satisfies a type condition, which
// may name the type itself, an interface or a union.
func (q *gqlQuery) applies(condition, typeName string) bool {
	if condition == "" || condition == typeName {
		return true
	}
	for _, def := range q.schema.PossibleTypes[condition] {
		if def.Name == typeName {
			return true
		}
	}
	return false
}

// field resolves one field. It reports false when its null has to travel up.
func (q *gqlQuery) field(typeName string, of any, g fieldGroup, path *gqlPath) (any, bool) {
	f := g.fields[0]
	if f.Name == "__typename" {
		return typeName, true
	}
	t := f.Definition.Type
	value, err := q.resolve(typeName, of, f, path)
	if err != nil {
		q.report(err, f, path)
		return nil, !t.NonNull
	}
	return q.complete(t, value, g, path)
}

// resolve finds the field's value: injected faults first, then permission, then the
// resolver. A field that is not simulated is an error and never a silent null.
func (q *gqlQuery) resolve(typeName string, of any, f *ast.Field, path *gqlPath) (any, error) {
	for _, fault := range q.faults {
		if fault.hits(path) {
			if fault.Silent {
				return nil, nil
			}
			return nil, &gqlError{Type: fault.Type, Message: fault.Message}
		}
	}
	if need := fieldPermission[typeName+"."+f.Name]; need != "" && !q.may(need) {
		return nil, forbidden()
	}
	r := resolverOf(typeName, f.Name)
	if r == nil {
		return nil, refusal("NOT_SIMULATED", "the simulated GitHub does not know the field %s.%s", typeName, f.Name)
	}
	if len(f.Definition.Arguments) == 0 {
		return r(q, of, nil)
	}
	return r(q, of, f.ArgumentMap(q.vars))
}

// gqlPath is a place in the answer: a key of an object, or, without a key, a position in
// a list. It becomes a list only when there is something to say about it.
type gqlPath struct {
	above *gqlPath
	key   string
	index int
}

// list is the path as GitHub writes it.
func (p *gqlPath) list() []any {
	var out []any
	for ; p != nil; p = p.above {
		if p.key != "" {
			out = append(out, p.key)
		} else {
			out = append(out, p.index)
		}
	}
	slices.Reverse(out)
	return out
}

// report adds an error, at the field unless it says another place.
func (q *gqlQuery) report(err error, f *ast.Field, path *gqlPath) {
	var g *gqlError
	if !errors.As(err, &g) {
		g = &gqlError{Message: err.Error()}
	}
	entry := *g
	entry.Path = path.list()
	entry.Locations = locations(f)
	q.errors = append(q.errors, &entry)
}

// complete turns a resolver's value into the answer's, by the field's type.
func (q *gqlQuery) complete(t *ast.Type, value any, g fieldGroup, path *gqlPath) (any, bool) {
	if isNull(value) {
		if t.NonNull {
			q.report(refusal("INTERNAL", "%s may not be null, and the simulated GitHub has no value", g.fields[0].Name), g.fields[0], path)
		}
		return nil, !t.NonNull
	}
	var out any
	var err error
	ok := true
	switch {
	case t.Elem != nil:
		out, ok = q.list(t, value, g, path)
	default:
		switch def := q.schema.Types[t.NamedType]; def.Kind {
		case ast.Scalar:
			out, err = scalar(def.Name, value)
		case ast.Enum:
			out, err = enum(def, value)
		default:
			out, ok, err = q.composite(def, value, g, path)
		}
	}
	if err != nil {
		q.report(err, g.fields[0], path)
		ok = false
	}
	if !ok {
		return nil, !t.NonNull
	}
	return out, true
}

func (q *gqlQuery) list(t *ast.Type, value any, g fieldGroup, path *gqlPath) (any, bool) {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		q.report(refusal("INTERNAL", "%T is not a list", value), g.fields[0], path)
		return nil, false
	}
	out := make([]any, v.Len())
	whole := true
	for i := range out {
		item, ok := q.complete(t.Elem, v.Index(i).Interface(), g, &gqlPath{above: path, index: i})
		if !ok {
			whole = false
		}
		out[i] = item
	}
	return out, whole
}

// composite completes an object: of the field's own type, or, when that is an interface
// or a union, of the type that the value says.
func (q *gqlQuery) composite(def *ast.Definition, value any, g fieldGroup, path *gqlPath) (any, bool, error) {
	name := def.Name
	if v, is := value.(typed); is {
		name, value = v.name, v.value
	}
	if name != def.Name && !q.applies(def.Name, name) || q.schema.Types[name] == nil || q.schema.Types[name].Kind != ast.Object {
		return nil, false, refusal("INTERNAL", "a value of type %s cannot stand where %s is wanted", name, def.Name)
	}
	if need := typePermission[name]; need != "" && !q.may(need) {
		return nil, false, forbidden()
	}
	out, ok := q.object(name, value, g.selections(), path)
	return out, ok, nil
}

// isNull says whether a resolver's value is GraphQL's null: nil, a nil pointer, or no
// time at all.
func isNull(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case time.Time:
		return v.IsZero()
	case typed:
		return isNull(v.value)
	}
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// scalar checks a value against its scalar type, so that a resolver cannot answer a
// string where GitHub gives a number.
func scalar(name string, value any) (any, error) {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
		value = v.Interface()
	}
	ok := false
	switch name {
	case "Boolean":
		ok = v.Kind() == reflect.Bool
	case "Int":
		ok = v.CanInt()
	case "Float":
		ok = v.CanFloat() || v.CanInt()
	case "BigInt":
		if v.CanInt() { // GitHub writes it as a string, since JSON's numbers are too small
			return fmt.Sprint(v.Int()), nil
		}
	case "DateTime", "PreciseDateTime", "GitTimestamp":
		if t, is := value.(time.Time); is {
			return t.UTC().Format(time.RFC3339), nil
		}
	default:
		ok = v.Kind() == reflect.String
	}
	if !ok {
		return nil, refusal("INTERNAL", "%T is not a %s", value, name)
	}
	return value, nil
}

// enum checks that a value is one of its enum, in upper case as GraphQL has it.
func enum(def *ast.Definition, value any) (any, error) {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.String {
		name := strings.ToUpper(v.String())
		if def.EnumValues.ForName(name) != nil {
			return name, nil
		}
	}
	return nil, refusal("INTERNAL", "%v is not a value of %s", value, def.Name)
}

// gqlArgs are the arguments of a field, defaults filled in.
type gqlArgs map[string]any

// string gives a string or an enum value; empty when it is absent or null.
func (a gqlArgs) string(name string) string {
	s, _ := a[name].(string)
	return s
}

// int gives a number and whether there is one.
func (a gqlArgs) int(name string) (int, bool) {
	switch n := a[name].(type) {
	case int64:
		return int(n), true
	case int:
		return n, true
	case float64:
		return int(n), true
	case json.Number:
		i, err := n.Int64()
		return int(i), err == nil
	}
	return 0, false
}

// object gives an input object; what it lacks is absent.
func (a gqlArgs) object(name string) gqlArgs {
	o, _ := a[name].(map[string]any)
	return o
}

// strings gives a list of strings or enum values. One that is no list stands for a list of one.
func (a gqlArgs) strings(name string) []string {
	if one := a.string(name); one != "" {
		return []string{one}
	}
	list, _ := a[name].([]any)
	var out []string
	for _, v := range list {
		if s, is := v.(string); is {
			out = append(out, s)
		}
	}
	return out
}
