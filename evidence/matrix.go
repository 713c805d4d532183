package evidence

import "github.com/countersign/countersign/policy"

// mapping is where a test belongs in frameworks, by the ids of their controls. Their texts are not
// repeated here: they have owners.
//
// Field names and order are part of the evidence format; add, never change.
type mapping struct {
	SOC2 []string `json:"soc_2"`
	ISO  []string `json:"iso_27001_2022"`
	PCI  []string `json:"pci_dss_4_0_1"`
	NIST []string `json:"nist_800_53_r5"`
	SSDF []string `json:"nist_ssdf_1_1"`
	DORA []string `json:"dora"`
}

// The rows of the mapping, by what is tested.
var (
	mapRequest   = mapping{[]string{"CC8.1"}, []string{"8.25", "8.32"}, []string{"6.5.1"}, []string{"CM-3", "CM-4"}, []string{"PO.1", "PW.1"}, []string{"Art 9(4)(e)", "RTS 2024/1774 Art 17(1)(c)", "RTS 2024/1774 Art 17(1)(d)"}}
	mapApproval  = mapping{[]string{"CC8.1", "CC5.1", "CC6.3"}, []string{"5.3", "8.28", "8.32"}, []string{"6.2.3", "6.2.3.1"}, []string{"AC-5", "CM-3", "CM-5(4)", "SA-11"}, []string{"PS.1.1", "PW.7.1", "PW.7.2"}, []string{"RTS 2024/1774 Art 17(1)(b)"}}
	mapRevision  = mapping{[]string{"CC8.1"}, []string{"8.32"}, []string{"6.5.1"}, []string{"CM-3", "SI-7"}, []string{"PS.1.1", "PW.7"}, []string{"RTS 2024/1774 Art 17(1)(c)"}}
	mapTests     = mapping{[]string{"CC8.1", "PI1.3"}, []string{"8.29", "8.33"}, []string{"6.2.3", "6.5.1"}, []string{"CM-3(2)", "SA-11"}, []string{"PW.7", "PW.8.2"}, []string{"RTS 2024/1774 Art 16", "RTS 2024/1774 Art 17(1)(c)"}}
	mapValidator = mapping{[]string{"CC8.1", "CC5.2"}, []string{"8.4", "8.31"}, []string{"6.5.3", "6.5.4"}, []string{"CM-5", "CM-5(1)", "SA-10", "SA-15"}, []string{"PO.3.2", "PO.5.1", "PS.1.1"}, []string{"RTS 2024/1774 Art 16"}}
	mapBypass    = mapping{[]string{"CC8.1", "CC7.1"}, []string{"8.15", "8.16", "8.32"}, []string{"6.5.1", "10.2"}, []string{"AU-12", "CM-5", "CM-5(1)"}, []string{"PS.1.1"}, []string{"Art 9(4)(e)"}}
	mapEmergency = mapping{[]string{"CC8.1"}, []string{"8.32"}, []string{"6.5.1"}, []string{"CM-3", "IR-4"}, []string{"RV.2"}, []string{"RTS 2024/1774 Art 17(1)(e)", "RTS 2024/1774 Art 17(1)(f)"}}
	mapLogs      = mapping{[]string{"CC8.1", "CC7.2"}, []string{"5.28", "5.33", "8.15"}, []string{"10.2", "10.3", "10.5"}, []string{"AU-2", "AU-3", "AU-9", "AU-11", "AU-12", "CM-3(1)"}, []string{"PO.3.3", "PS.3.2"}, []string{"Art 12", "RTS 2024/1774 Art 12"}}
	mapIntegrity = mapping{[]string{"CC8.1", "PI1.4"}, []string{"8.4", "8.28"}, []string{"6.3.2"}, []string{"AU-10", "SI-7", "SR-4"}, []string{"PS.2.1", "PS.3.1", "PS.3.2"}, []string{}}
	mapAgents    = mapping{[]string{"CC6.1", "CC6.3"}, []string{"5.15", "8.2", "8.4", "8.18"}, []string{"7.2.5", "8.6"}, []string{"AC-6", "CM-5(5)", "IA-9"}, []string{"PO.5.2"}, []string{"Art 9(4)(c)"}}
)

// matrix is what is tested, criterion by criterion. What no program can test here is listed too,
// as not tested.
var matrix = []criterion{
	{ID: "CC8.1", Title: "Changes are authorised, tested, approved and put in place under control", tests: []controlTest{
		{"decided-before", "A decision was recorded before the change was merged, and where the branch is enforced it let the change in", mapApproval, ofPopulation(isPull, foundAny(policy.FindingWithoutDecision, policy.FindingBeforeDecision, policy.FindingWhileFailing))},
		{"no-direct-push", "Nothing reached an enrolled branch but by a pull request", mapBypass, ofPopulation(moves, foundAny(policy.FindingDirectPush))},
		{"merged-as-decided", "What was merged is what had been decided on", mapIntegrity, ofPopulation(isPull, foundAny(policy.FindingContentDiffers))},
		{"history-kept", "The branch's history was added to, and never rewritten", mapBypass, ofPopulation(moves, foundAny(policy.FindingForcePush, policy.FindingRewritten))},
		{"not-merged-by-agent", "No AI agent put the change on the branch by itself", mapApproval, ofPopulation(isPull, foundAny(policy.FindingByAgent))},
		{policy.RuleHumanReview, "", mapApproval, ofRule(policy.RuleHumanReview)},
		{policy.RuleFreshReview, "", mapRevision, ofRule(policy.RuleFreshReview)},
		{policy.RuleBranchProtection, "", mapBypass, ofRule(policy.RuleBranchProtection)},
		{policy.RulePolicyIntegrity, "", mapValidator, ofRule(policy.RulePolicyIntegrity)},
		{policy.RuleAuthorised, "", mapRequest, ofRule(policy.RuleAuthorised)},
		{"protected", "Every branch was known to be protected as its policy asks, at all times of the period that are recorded", mapBypass, ofProtection},
		{"emergencies-reviewed", "What was released in an emergency was reviewed in time", mapEmergency, ofExceptions("emergency")},
	}},
	{ID: "PI1.1", Title: "What is processed is specified, and checked against it", Note: "That tests and checks of pull requests answer to this criterion is our interpretation: the criterion is about the specifications of a service's processing. It applies only where the report includes processing integrity.", tests: []controlTest{
		{policy.RuleValidated, "", mapTests, ofRule(policy.RuleValidated)},
		{policy.RuleIndependentValidation, "", mapValidator, ofRule(policy.RuleIndependentValidation)},
	}},
	{ID: "PI1.2", Title: "Changes by AI agents are looked at in time", Note: "That this answers to the criterion is our interpretation.", tests: []controlTest{
		{policy.RuleTimely, "", mapApproval, ofRule(policy.RuleTimely)},
	}},
	{ID: "CC6.1", Title: "Access is limited to who needs it", tests: []controlTest{
		{policy.RuleAgentIdentity, "", mapAgents, ofRule(policy.RuleAgentIdentity)},
	}},
	{ID: "CC7.1", Title: "Unauthorised changes are found", tests: []controlTest{
		{"complete", "Every update of an enrolled branch begins where the one before it ended", mapLogs, ofCompleteness},
	}},
	{ID: "CC7.2", Title: "What deviates is followed up", Note: "CC7.3 as well.", tests: []controlTest{
		{"settled-in-time", "No exception that was open in the period became overdue", mapLogs, ofExceptions("")},
	}},
	{ID: "CC6.6", Title: "What crosses the boundary is protected"},
	{ID: "CC6.7", Title: "Restricted data stays where it belongs"},
	{ID: "CC9.1", Title: "Risks are known and treated"},
	{ID: "CC9.2", Title: "Vendors, AI providers among them, are known and assessed"},
	{ID: "A1.1", Title: "Capacity is watched"},
	{ID: "A1.2", Title: "There are backups, and they can be restored"},
	{ID: "A1.3", Title: "Recovery is tested"},
	{ID: "C1.1", Title: "Confidential information is known and protected"},
	{ID: "C1.2", Title: "Confidential information is disposed of"},
	{ID: "P", Title: "Personal data is handled as promised"},
}
