import t from "tap";
import { compileTagPattern } from "../../../src/config/pcre.ts";

t.test("patterns match as PCRE has them, from the start of the tag and open at its end", async (t) => {
  const cases: [pattern: string, matching: string[], others: string[]][] = [
    [
      "(stable|nightly|production|test)",
      ["stable", "stable-1", "testing", "nightly"],
      ["a-stable", "Stable", "latest"],
    ],
    [
      String.raw`(.*)(\d|\.)+(.*)(\d|\.)+(.*)(\d|\.)+`,
      ["1.2.3", "v1.20", "123", "a1b2c3d"],
      ["v1.", "latest", "12", "v1"],
    ],
    ["stable|nightly", ["stable", "nightly"], ["a-nightly", "x-stable"]],
    ["^stable$", ["stable"], ["stable-1"]],
    [String.raw`\Astable\z`, ["stable"], ["stable-1", "xstable"]],
    [String.raw`stable\Z`, ["stable"], ["stable-1"]],
    ["(?i)latest", ["latest", "LATEST", "Latest-1"], ["xlatest"]],
    ["v(?i)a|b", ["va", "vA", "b", "B"], ["Va"]],
    ["(?i:x)y", ["xy", "Xy"], ["xY"]],
    ["(?i:x)[ab]", ["xa", "Xb"], ["xA", "XB"]],
    ["(?i)a(?-i)b", ["ab", "Ab"], ["aB"]],
    ["(?:(?i)a)b", ["Ab"], ["AB"]],
    ["(?i)[a-c]+$", ["aBc"], ["abD"]],
    ["(?i)[^a]$", ["b", "B"], ["a", "A"]],
    ["(?i)[[:^upper:]]$", ["1"], ["a", "A"]],
    ["[[:digit:]]+$", ["123"], ["12a"]],
    ["[[:^digit:]._]+$", ["a._"], ["a1"]],
    ["[^[:alnum:]]", ["_", "."], ["a", "1"]],
    ["[]a]+$", ["a"], ["b"]],
    ["[a-]+$", ["a-"], ["ab"]],
    [String.raw`[\d\-]+$`, ["1-2"], ["1_2"]],
    [String.raw`\h`, [" ", "\t"], ["a", "\n"]],
    [String.raw`\H\V`, ["ab"], [" a"]],
    ["(?P<n>a)b(?P=n)$", ["aba"], ["abb"]],
    ["(?<n>a)b\\k{n}$", ["aba"], ["abb"]],
    ["(?'n'a)b\\g{n}$", ["aba"], ["abb"]],
    [String.raw`(a|b)-\1$`, ["a-a", "b-b"], ["a-b"]],
    [String.raw`(a)(b)\g{-2}$`, ["aba"], ["abb"]],
    ["a++b", ["aab"], ["b"]],
    ["a++a", [], ["aaa"]],
    ["(?>a|ab)c", ["ac"], ["abc"]],
    [String.raw`(a)++(b)\2`, ["aabb"], ["aaba"]],
    ["(?:a?+){2}b", ["aab", "b"], ["aaab"]],
    ["a(?#a comment)+$", ["aaa"], ["ab"]],
    [String.raw`\Q1.2\E+$`, ["1.2", "1.22"], ["1x2"]],
    [String.raw`\x41\x{42}\103\o{104}`.replace(String.raw`\103`, "C"), ["ABCD"], ["abcd"]],
    [String.raw`\x61{2}$`, ["aa"], ["a1"]],
    ["a{,b", ["a{,b"], ["a"]],
    ["a{2}$", ["aa"], ["a"]],
    ["a(?=b)", ["ab"], ["ac"]],
    ["..(?<!-)$", ["ab"], ["a-"]],
    [".(?s).", ["ab", "a\n"], ["\na"]],
    ["", ["anything", ""], []],
  ];
  for (const [pattern, matching, others] of cases) {
    const compiled = compileTagPattern(pattern);
    for (const tag of matching) t.ok(compiled.test(tag), `${pattern} matches ${JSON.stringify(tag)}`);
    for (const tag of others) t.notOk(compiled.test(tag), `${pattern} does not match ${JSON.stringify(tag)}`);
  }
});

t.test("what JavaScript cannot do is refused with its position", async (t) => {
  const cases: [pattern: string, message: RegExp][] = [
    ["ab(?R)", /^at character 3: recursion/],
    ["a(?1)", /^at character 2: recursion/],
    ["(?(1)a|b)", /^at character 1: .*conditions/],
    ["(?|a|b)", /^at character 1: .*branch resets/],
    ["(*UTF8)a", /^at character 1: verbs/],
    ["(?x)a b", /^at character 1: the flag x/],
    ["(?i)(a)\\1", /^at character 8: .*ignore case/],
    ["abc\\K", /^at character 4: \\K/],
    ["a\\X", /^at character 2: \\X/],
    ["\\p{Lu}", /^at character 1: \\p/],
    ["[\\R]", /^at character 2: \\R in a character class/],
    ["[[:nope:]]", /^at character 2: \[:nope:\]/],
    ["[[.a.]]", /^at character 2: collating/],
    ["[z-a]", /^at character 2: this is no range/],
    ["[a-\\d]", /^at character 2: this is no range/],
    ["x[a", /^at character 2: this character class has no end/],
    ["x[\\", /^at character 3: a backslash/],
    ["(a", /^at character 1: this group has no end/],
    ["((a)", /^at character 1: this group has no end/],
    ["a)", /^at character 2: there is no group/],
    ["*a", /^at character 1: there is nothing to repeat/],
    ["a|+", /^at character 3: there is nothing to repeat/],
    ["a**", /^at character 3: there is nothing to repeat/],
    ["(?=a)*", /^at character 6: there is nothing to repeat/],
    ["a{3,2}", /^at character 2: the numbers/],
    ["a{,2}", /^at character 2: write \{0,/],
    ["a\\2", /^at character 2: no group 2/],
    ["(?P=n)", /^at character 1: no group n/],
    ["(?<n>a)(?<n>b)", /^at character 8: there are two groups/],
    ["(?#", /^at character 1: this comment/],
    ["\\", /^at character 1: a backslash/],
    ["\\x{110000}", /^at character 1: a tag never/],
    ["äöü\\K", /^at character 4: /],
  ];
  for (const [pattern, message] of cases) {
    t.throws(() => compileTagPattern(pattern), { code: "CONFIG_INVALID", message }, pattern);
  }
});
