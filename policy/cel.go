package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

const (
	// maxExpression is the size of an expression in bytes.
	maxExpression = 2000
	// expressionCost bounds one evaluation, in CEL's units: about one for each step. The same
	// facts cost the same, so what is cut is cut everywhere.
	expressionCost = 1_000_000
)

// expression is a compiled CEL expression that yields true or false.
type expression struct {
	program cel.Program
	parts   []string // of the facts that it names, sorted
}

// celEnvironment is compiled once: it is a constant that the compiler cannot make for us.
var celEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[RuleAccount](), reflect.TypeFor[RuleChange](), reflect.TypeFor[RuleAuthorship](),
			reflect.TypeFor[RuleFile](), reflect.TypeFor[RuleSize](), reflect.TypeFor[RuleCommits](), reflect.TypeFor[RuleReviews]()),
		cel.Variable("change", cel.ObjectType("policy.RuleChange")),
		cel.Variable("authorship", cel.ObjectType("policy.RuleAuthorship")),
		cel.Variable("files", cel.ListType(cel.ObjectType("policy.RuleFile"))),
		cel.Variable("size", cel.ObjectType("policy.RuleSize")),
		cel.Variable("commits", cel.ObjectType("policy.RuleCommits")),
		cel.Variable("reviews", cel.ObjectType("policy.RuleReviews")),
		cel.Variable("validations", cel.MapType(cel.StringType, cel.StringType)),
		cel.Macros(append(cel.StandardMacros, cel.GlobalMacro("known", 1, expandKnown))...),
	}
	for _, part := range ruleParts() {
		options = append(options, cel.Variable(knownName(part), cel.BoolType))
	}
	return cel.NewCustomEnv(append([]cel.EnvOption{cel.StdLib(), cel.ParserExpressionSizeLimit(maxExpression)}, options...)...)
})

// ruleParts are the variables of an expression.
func ruleParts() []string {
	return []string{"authorship", "change", "commits", "files", "reviews", "size", "validations"}
}

// knownName is the variable that says whether a part is known. Nobody can write it.
func knownName(part string) string { return "@known_" + part }

// expandKnown turns known(files) into the variable that says it: a function would not be asked
// when its argument is not known.
func expandKnown(f cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	if args[0].Kind() != ast.IdentKind || !slices.Contains(ruleParts(), args[0].AsIdent()) {
		return nil, f.NewError(args[0].ID(), "known() takes one of "+strings.Join(ruleParts(), ", "))
	}
	return f.NewIdent(knownName(args[0].AsIdent())), nil
}

// compileExpression compiles an expression. Each problem says where in it, counted from 1.
func compileExpression(src string) (e *expression, problems []string) {
	if len(src) > maxExpression {
		return nil, []string{fmt.Sprintf("has more than %d bytes", maxExpression)}
	}
	env, err := celEnvironment()
	if err != nil {
		return nil, []string{"cannot be compiled: " + err.Error()}
	}
	checked, issues := env.Compile(src)
	if issues.Err() != nil {
		for _, issue := range issues.Errors() {
			message, _, _ := strings.Cut(issue.Message, "\n")
			problems = append(problems, fmt.Sprintf("cannot be used (line %d, column %d of the expression): %s",
				issue.Location.Line(), issue.Location.Column()+1, shorten(message, 200)))
		}
		return nil, problems
	}
	if checked.OutputType() != cel.BoolType {
		return nil, []string{"yields " + checked.OutputType().String() + ", and must yield true or false"}
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(expressionCost))
	if err != nil {
		return nil, []string{"cannot be used: " + shorten(err.Error(), 200)}
	}
	e = &expression{program: program}
	for _, reference := range checked.NativeRep().ReferenceMap() {
		if name := strings.TrimPrefix(reference.Name, "@known_"); slices.Contains(ruleParts(), name) {
			e.parts = append(e.parts, name)
		}
	}
	slices.Sort(e.parts)
	e.parts = slices.Compact(e.parts)
	return e, nil
}

// ask evaluates an expression over the facts. What rests on a part that is not known is not
// known, and so is what fails or costs too much.
func (j *judgement) ask(e *expression) (is answer, why string) {
	if e == nil {
		return unknown, "it was not compiled"
	}
	partial, err := j.ruleFacts()
	if err != nil {
		return unknown, "the facts could not be given to it"
	}
	value, _, err := e.program.Eval(partial)
	switch {
	case err != nil:
		return unknown, "it could not be evaluated (" + shorten(plain(err.Error(), maxTitle), maxTitle) + ")"
	case types.IsUnknown(value):
		return unknown, "a part of the facts that it needs could not be read whole, and it does not ask with known()"
	}
	result, ok := value.Value().(bool)
	switch {
	case !ok:
		return unknown, "it did not yield true or false"
	case result:
		return yes, ""
	}
	return no, ""
}
