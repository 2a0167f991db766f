/// <reference lib="deno.unstable" />

/**
 * A lint plugin for sentences that strangers read: comments and errors.
 *
 * @module
 */

/** Words that leave open what a comment is about. */
const HEADLESS = ["It", "Is", "Has", "Who", "Those", "As"];

/** The first word of a doc comment, if the comment is one. */
function firstWord(comment: string): string | undefined {
  return /^\*[\s*]*(\w+)/.exec(comment)?.[1];
}

/** Stands in a text for a value that is not known. */
const VALUE = "□";

/** Stands for what a function returns, which may be half a sentence. */
const RETURNED = "■";

/** The texts that an expression may be, as far as they are known. */
function textsOf(node: Deno.lint.Node): string[] {
  switch (node.type) {
    case "Literal":
      return [typeof node.value === "string" ? node.value : VALUE];
    case "TemplateLiteral":
      return joined(
        node.quasis.flatMap(({ cooked }, index) => {
          const value = node.expressions[index];
          return value ? [[cooked], textsOf(value)] : [[cooked]];
        }),
      );
    case "BinaryExpression":
      return node.operator === "+"
        ? joined([textsOf(node.left), textsOf(node.right)])
        : [VALUE];
    case "ConditionalExpression":
      return [...textsOf(node.consequent), ...textsOf(node.alternate)];
    case "CallExpression":
      return [RETURNED];
    default:
      return [VALUE];
  }
}

/** Every text with one of each part's alternatives, in their order. */
function joined(parts: readonly string[][]): string[] {
  return parts.reduce(
    (starts, ends) => starts.flatMap((start) => ends.map((end) => start + end)),
    [""],
  );
}

const NEW_ERROR = "NewExpression[callee.name=/(Error|Exception)$/]";

/** What the constructor of a kind of error calls. */
const SUPER_OF_ERROR = "ClassDeclaration[superClass.name=/Error$/] " +
  "CallExpression[callee.type='Super']";

/** A code for programs, such as `QUEUE_FULL`, which comes before the message. */
const CODE = /^[A-Z_]+$/;

const CANNOT = /^Cannot /;

/**
 * What says why in a sentence of "Cannot …". Most have "as", which before a
 * quote names an option, and is no reason: `Cannot use 5 as "port"`. The others
 * are "without" what is missing, "after" what it may not follow, "at most" a
 * limit, and, behind a colon, a sentence on "it", or one that is not known.
 */
const REASON = /\bas (?!")|\bwithout |\bafter |\bat most |: it |: □|■/;

/** What is wrong with a sentence that says what could not be done. */
function faultOf(sentence: string): string | undefined {
  if (sentence.endsWith(".")) return "ends without a full stop";
  if (CANNOT.test(sentence) && !REASON.test(sentence)) return "says why";
}

const plugin: Deno.lint.Plugin = {
  name: "sentences",
  rules: {
    "subject": {
      create: (context) => ({
        Program() {
          for (const comment of context.sourceCode.getAllComments()) {
            const word = comment.type === "Block" && firstWord(comment.value);
            if (!word || !HEADLESS.includes(word)) continue;
            context.report({
              range: comment.range,
              message: `Cannot start a doc comment with "${word}"`,
              hint: "Say what the thing is or does, and name it",
            });
          }
        },
      }),
    },
    // The rule is for the library alone: scripts and pages may fail in their
    // own words.
    "cannot": {
      create(context) {
        if (!/(?:^|\/)src\/.*\.ts$/.test(context.filename)) return {};

        function report(node: Deno.lint.Node, rule: string): void {
          context.report({
            node,
            message: `The message of an error ${rule}`,
            hint: "Say what could not be done, as what, and what to do: " +
              `"Cannot … as …: …"`,
          });
        }

        /** Looks at an error's message, but for a sentence of "Cannot". */
        function checkError(parts: readonly Deno.lint.Node[]): void {
          const isMessage = (text: string) =>
            text !== VALUE && !CODE.test(text);
          const message = parts.find((part) => textsOf(part).some(isMessage));
          for (const text of message ? textsOf(message) : []) {
            if (CANNOT.test(text)) continue;
            // A message that starts so is a reason in another error's sentence.
            const isPart = /^[a-z□■]/.test(text);
            const fault = isPart ? faultOf(text) : 'starts with "Cannot"';
            if (fault) return report(message!, fault);
          }
        }

        /** Looks at a sentence of "Cannot", whatever is made of it. */
        function checkSentence(start: Deno.lint.Node): void {
          let node = start;
          while ("parent" in node && node.parent.type === "BinaryExpression") {
            node = node.parent;
          }
          const fault = textsOf(node).map(faultOf).find(Boolean);
          if (fault) report(node, fault);
        }

        return {
          [NEW_ERROR]: (node: Deno.lint.NewExpression) =>
            checkError(node.arguments),
          [SUPER_OF_ERROR]: (node: Deno.lint.CallExpression) =>
            checkError(node.arguments),
          Literal(node) {
            if (CANNOT.test(String(node.value))) checkSentence(node);
          },
          TemplateLiteral(node) {
            if (CANNOT.test(node.quasis[0].cooked)) checkSentence(node);
          },
        };
      },
    },
  },
};

export default plugin;
