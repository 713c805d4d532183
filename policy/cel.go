package policy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
)

const (
	// maxExpression is the size of an expression in bytes.
	maxExpression = 2000
	// expressionCost bounds one evaluation, in CEL's units: about one for each step. The same
	// facts cost the same, so what is cut is cut everywhere.
	expressionCost = 1_000_000
	// rulesCost bounds what the expressions of a file may cost together on a large change, as
	// estimated when they are read: about a second. A merged policy has two files.
	rulesCost = 10_000_000
	// maxNesting is how many exists(), all(), map() and their like may be within each other.
	maxNesting = 2
)

// expression is a compiled CEL expression that yields true or false.
type expression struct {
	program cel.Program
	parts   []string // of the facts that it names, sorted
	cost    uint64   // at most, as estimated
}

// expressionProblem is what is wrong with an expression, and where in it: Line and Column from
// 1, 0 for the whole of it.
type expressionProblem struct {
	Line, Column int
	Message      string
}

// celEnvironment is compiled once: it is a constant that the compiler cannot make for us.
var celEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(env.NewLibrarySubset().AddExcludedFunctions(timeFunctions()...))),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ASTValidators(languageValidator{}, cel.ValidateComprehensionNestingLimit(maxNesting)),
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
	return cel.NewCustomEnv(options...)
})

// timeFunctions are left out of the language. No fact that rules see is a time, and the names
// of time zones are looked up in the files of the machine, which differ.
func timeFunctions() (out []*env.Function) {
	for _, name := range []string{
		"timestamp", "duration", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek",
		"getHours", "getMinutes", "getSeconds", "getMilliseconds",
	} {
		out = append(out, env.NewFunction(name))
	}
	return out
}

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

// compileExpression compiles an expression. There is an expression or a problem.
func compileExpression(src string) (*expression, []expressionProblem) {
	whole := func(format string, args ...any) []expressionProblem {
		return []expressionProblem{{Message: fmt.Sprintf(format, args...)}}
	}
	if len(src) > maxExpression {
		return nil, whole("has more than %d bytes", maxExpression)
	}
	environment, err := celEnvironment()
	if err != nil {
		return nil, whole("cannot be compiled: %v", err)
	}
	checked, issues := environment.Compile(src)
	if issues.Err() != nil {
		var problems []expressionProblem
		for _, issue := range issues.Errors() {
			message, _, _ := strings.Cut(issue.Message, "\n")
			problems = append(problems, expressionProblem{max(issue.Location.Line(), 0), max(issue.Location.Column()+1, 0), "cannot be used: " + shorten(message, 200)})
		}
		return nil, problems
	}
	if checked.OutputType() != cel.BoolType {
		return nil, whole("yields %s, and must yield true or false", checked.OutputType())
	}
	cost, err := environment.EstimateCost(checked, factSizes{})
	if err != nil {
		return nil, whole("cannot be used: %s", shorten(err.Error(), 200))
	}
	if cost.Max > expressionCost {
		return nil, whole("could take more than %d steps on a large change", expressionCost)
	}
	program, err := environment.Program(checked, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(expressionCost))
	if err != nil {
		return nil, whole("cannot be used: %s", shorten(err.Error(), 200))
	}
	e := &expression{program: program, cost: cost.Max}
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
// known, and so is what fails or costs too much. Why is ours and not the library's words: it is
// recorded, and must be the same when it is evaluated again by a later version.
func (j *judgement) ask(e *expression) (is answer, why string) {
	if e == nil {
		return unknown, "It was not compiled."
	}
	facts, err := j.ruleFacts()
	if err != nil {
		return unknown, "The facts could not be given to it."
	}
	value, _, err := e.program.Eval(facts.vars)
	var cancelled interpreter.EvalCancelledError
	switch {
	case errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded:
		return unknown, fmt.Sprintf("It took more than %d steps on a change as large as this.", expressionCost)
	case err != nil:
		return unknown, "It failed while it was evaluated: it asks for an entry that there is none of, for example, or divides by zero. Whoever maintains the policy must repair it."
	case types.IsUnknown(value):
		var causes []string
		for _, part := range e.parts {
			if cause := facts.missing[part]; cause != "" {
				causes = append(causes, part+" is not known, and it does not ask with known(): "+cause)
			}
		}
		return unknown, strings.Join(causes, " ")
	}
	result, ok := value.Value().(bool)
	switch {
	case !ok:
		return unknown, "It did not yield true or false."
	case result:
		return yes, ""
	}
	return no, ""
}
