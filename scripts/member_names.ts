/**
 * Which names of members may be shortened in a bundle: those that only its own
 * modules use. The types say so, as TypeScript's checker reads them.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import ts from "typescript";
import { root } from "./deno.ts";

/** What the sources of a bundle call their members. */
export interface MemberNames {
  /** Names that nobody but the sources themselves can know. */
  readonly own: ReadonlySet<string>;
  /** Names that somebody else knows too, and why: they must stay. */
  readonly taken: ReadonlyMap<string, string>;
}

/** Where the names of members are looked for. */
export interface MemberNamesOptions {
  /** The modules whose exports are the API. */
  readonly entries: readonly string[];
  /** The module whose types describe the platform. */
  readonly platform: string;
  /**
   * Exported types whose members may be shortened all the same: nobody gives
   * a bundle an object of such a type.
   */
  readonly internal: readonly string[];
  /** Modules by their path, in place of those on the disk. */
  readonly sources?: Readonly<Record<string, string>>;
}

const COMPILER_OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  lib: ["dom", "dom.iterable", "dom.asynciterable", "esnext"]
    .map((name) => `lib.${name}.d.ts`),
  types: [],
};

/** The calls that make the keys of an object visible. */
const READS_KEYS = /^Object\.(?:keys|entries|hasOwn|getOwnPropertyNames)$/;

/**
 * The client, plain and private. Tests alone give it a runtime, and there is no
 * object of its events: their names are strings.
 */
export const CLIENT_SOURCES: MemberNamesOptions = {
  entries: ["client.ts", "private.ts"],
  platform: "src/runtime.ts",
  internal: ["Runtime", "SocketPeerEvents"],
};

/** Sorts the names of members by who knows them. */
export function findMemberNames(
  { entries, platform, internal, sources }: MemberNamesOptions = CLIENT_SOURCES,
): MemberNames {
  const folder = fileURLToPath(root);
  const program = ts.createProgram(
    entries.map((entry) => folder + entry),
    COMPILER_OPTIONS,
    sources && hostOf(sources, folder),
  );
  const checker = program.getTypeChecker();
  const declared = new Map<string, string>();
  const taken = new Map<string, string>();

  const pathOf = (node: ts.Node) =>
    node.getSourceFile().fileName.slice(folder.length);
  const placeOf = (node: ts.Node) => {
    const file = node.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
    return `${pathOf(node)}:${line + 1}`;
  };
  const isOwn = (node: ts.Node) =>
    !program.isSourceFileDefaultLibrary(node.getSourceFile());
  const take = (name: string, why: string, node: ts.Node) => {
    if (!taken.has(name)) taken.set(name, `${why} (${placeOf(node)})`);
  };

  /** The types that a value may have. */
  const partsOf = (type: ts.Type): readonly ts.Type[] =>
    type.isUnion() ? type.types.flatMap(partsOf) : [type];
  const propertiesOf = (type: ts.Type, name: string): ts.Symbol[] =>
    partsOf(type).flatMap((part) =>
      checker.getPropertyOfType(checker.getApparentType(part), name) ?? []
    );

  /** The properties of a type that the platform has not declared. */
  const ownPropertiesOf = (type: ts.Type): ts.Symbol[] =>
    checker.getPropertiesOfType(type).filter(({ declarations = [] }) =>
      declarations.every(isOwn)
    );

  /** Looks at who has declared a member whose name is used. */
  const use = (name: string, symbols: readonly ts.Symbol[], node: ts.Node) => {
    const declarations = symbols.flatMap((symbol) =>
      symbol.declarations ?? [undefined]
    );
    if (declarations.length === 0) take(name, "of no known type", node);
    for (const declaration of declarations) {
      if (!declaration) take(name, "a key of a record", node);
      else if (!isOwn(declaration)) take(name, "of the platform", node);
    }
  };

  /** Takes the names of all members of a type, and of what they hold. */
  const takeAll = (
    type: ts.Type,
    why: string,
    node: ts.Node,
    seen = new Set<ts.Type>(),
  ) => {
    for (const part of partsOf(type)) {
      if (seen.has(part) || !(part.flags & ts.TypeFlags.Object)) {
        if (!part.isIntersection()) continue;
      }
      seen.add(part);
      const item = checker.getIndexTypeOfType(part, ts.IndexKind.Number);
      if (item) {
        takeAll(item, why, node, seen);
        continue;
      }
      for (const symbol of ownPropertiesOf(part)) {
        take(symbol.name, why, node);
        takeAll(checker.getTypeOfSymbol(symbol), why, node, seen);
      }
    }
  };

  const takeKeys = (type: ts.Type, node: ts.Node) => {
    for (const part of partsOf(type)) {
      for (const symbol of ownPropertiesOf(part)) {
        take(symbol.name, "looked up by its name", node);
      }
    }
  };

  /** Takes the names that `object[key]` may look up. */
  const lookUp = (object: ts.Type, key: ts.Type, node: ts.Node) => {
    for (const part of partsOf(key)) {
      if (part.isStringLiteral()) {
        take(part.value, "looked up by its name", node);
      } else if (!(part.flags & ts.TypeFlags.NumberLike)) {
        takeKeys(object, node);
      }
    }
  };

  const visitLiteral = (literal: ts.ObjectLiteralExpression) => {
    const type = checker.getContextualType(literal);
    for (const { name } of literal.properties) {
      if (!name || !ts.isIdentifier(name)) continue;
      const { text } = name;
      declared.set(text, placeOf(name));
      const symbols = type ? propertiesOf(type, text) : [];
      if (symbols.length > 0) use(text, symbols, name);
      else if (
        type && partsOf(type).some((part) => part.getStringIndexType())
      ) {
        take(text, "a key of a record", name);
      } else take(text, "of no known type", name);
    }
  };

  const visitMember = (name: ts.Node | undefined, parent: ts.Node) => {
    if (!name || !ts.isIdentifier(name)) return;
    if (ts.isObjectLiteralExpression(parent)) return;
    declared.set(name.text, placeOf(name));
    if (pathOf(name) === platform) {
      const owner = ts.isInterfaceDeclaration(parent) ? parent.name.text : "";
      if (!internal.includes(owner)) take(name.text, "of the platform", name);
    }
    // Members that a class has from one of the platform's, or for the platform.
    if (!ts.isClassLike(parent) && !ts.isInterfaceDeclaration(parent)) return;
    for (const clause of parent.heritageClauses ?? []) {
      for (const type of clause.types) {
        const inherited = propertiesOf(
          checker.getTypeAtLocation(type),
          name.text,
        );
        if (inherited.length > 0) use(name.text, inherited, name);
      }
    }
  };

  /** Takes the names by which the platform calls what it is handed. */
  const visitArgument = (argument: ts.Expression) => {
    const wanted = checker.getContextualType(argument);
    if (!wanted || ts.isObjectLiteralExpression(argument)) return;
    const given = checker.getTypeAtLocation(argument);
    for (const part of partsOf(wanted)) {
      if (!(part.flags & ts.TypeFlags.Object)) continue;
      for (const symbol of checker.getPropertiesOfType(part)) {
        if (symbol.declarations?.every(isOwn)) continue;
        for (const { declarations } of propertiesOf(given, symbol.name)) {
          if (!declarations?.some(isOwn)) continue;
          take(symbol.name, "of the platform", argument);
        }
      }
    }
  };

  /**
   * Takes the names of a type that is given to what came from elsewhere, such
   * as JSON.
   */
  const visitAssertion = (value?: ts.Expression, type?: ts.TypeNode) => {
    if (!value || !type) return;
    if (checker.getTypeAtLocation(value).flags & ts.TypeFlags.Any) {
      takeAll(checker.getTypeAtLocation(type), "from elsewhere", value);
    }
  };

  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node)) {
      const { name, expression } = node;
      if (ts.isIdentifier(name)) {
        use(
          name.text,
          propertiesOf(checker.getTypeAtLocation(expression), name.text),
          name,
        );
      }
    } else if (ts.isElementAccessExpression(node)) {
      lookUp(
        checker.getTypeAtLocation(node.expression),
        checker.getTypeAtLocation(node.argumentExpression),
        node,
      );
    } else if (ts.isObjectLiteralExpression(node)) {
      visitLiteral(node);
    } else if (ts.isObjectBindingPattern(node)) {
      const type = checker.getTypeAtLocation(node);
      for (const { propertyName, name, dotDotDotToken } of node.elements) {
        const key = propertyName ?? name;
        if (dotDotDotToken || !ts.isIdentifier(key)) continue;
        use(key.text, propertiesOf(type, key.text), key);
      }
    } else if (ts.isClassElement(node) || ts.isTypeElement(node)) {
      visitMember(node.name, node.parent);
    } else if (ts.isForInStatement(node)) {
      takeKeys(checker.getTypeAtLocation(node.expression), node);
    } else if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.InKeyword
    ) {
      lookUp(
        checker.getTypeAtLocation(node.right),
        checker.getTypeAtLocation(node.left),
        node,
      );
    } else if (ts.isAsExpression(node)) {
      visitAssertion(node.expression, node.type);
    } else if (ts.isVariableDeclaration(node)) {
      visitAssertion(node.initializer, node.type);
    } else if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const callee = node.expression.getText();
      for (const argument of node.arguments ?? []) {
        visitArgument(argument);
        const type = checker.getTypeAtLocation(argument);
        if (callee === "JSON.stringify") takeAll(type, "on the wire", node);
        if (READS_KEYS.test(callee)) takeKeys(type, node);
      }
    }
    ts.forEachChild(node, visit);
  };

  /** What a declaration shows of itself: no body, and nothing private. */
  const takeShown = (node: ts.Node): void => {
    if (ts.isBlock(node)) return;
    if (ts.isClassElement(node) || ts.isTypeElement(node)) {
      const flags = ts.getCombinedModifierFlags(node);
      const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
      if (flags & hidden || node.name && ts.isPrivateIdentifier(node.name)) {
        return;
      }
      if (node.name && ts.isIdentifier(node.name)) {
        take(node.name.text, "part of the API", node.name);
      }
    }
    ts.forEachChild(node, takeShown);
  };

  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(
      program.getSourceFile(folder + entry)!,
    );
    for (const symbol of checker.getExportsOfModule(module!)) {
      const { declarations = [] } = symbol.flags & ts.SymbolFlags.Alias
        ? checker.getAliasedSymbol(symbol)
        : symbol;
      if (internal.includes(symbol.name)) continue;
      for (const declaration of declarations) takeShown(declaration);
    }
  }
  for (const file of program.getSourceFiles()) {
    if (!program.isSourceFileDefaultLibrary(file)) visit(file);
  }
  const own = [...declared.keys()].filter((name) => !taken.has(name));
  return { own: new Set(own.sort()), taken };
}

/** The compiler's way to files: these modules, and else the disk. */
function hostOf(
  sources: Readonly<Record<string, string>>,
  folder: string,
): ts.CompilerHost {
  const host = ts.createCompilerHost(COMPILER_OPTIONS);
  const { readFile, fileExists } = host;
  const textOf = (path: string) =>
    path.startsWith(folder) ? sources[path.slice(folder.length)] : undefined;
  return Object.assign(host, {
    readFile: (path: string) => textOf(path) ?? readFile(path),
    fileExists: (path: string) =>
      textOf(path) !== undefined || fileExists(path),
    getSourceFile: (path: string, languageVersion: ts.ScriptTarget) => {
      const text = textOf(path) ?? readFile(path);
      return text === undefined
        ? undefined
        : ts.createSourceFile(path, text, languageVersion, true);
    },
  });
}
