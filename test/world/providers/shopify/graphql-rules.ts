import {
  type ASTNode,
  type ASTVisitor,
  type FieldNode,
  FieldsOnCorrectTypeRule,
  GraphQLError,
  getNamedType,
  isLeafType,
  isRequiredArgument,
  KnownArgumentNamesRule,
  ProvidedRequiredArgumentsRule,
  print,
  ScalarLeafsRule,
  specifiedRules,
  type ValidationContext,
  type ValidationRule,
  ValuesOfCorrectTypeRule,
  validateInputLiteral,
} from 'graphql';

/** The rules that Shopify's library, graphql-ruby, tells in words and codes of its own. */
const TOLD_OTHERWISE: readonly ValidationRule[] = [
  FieldsOnCorrectTypeRule,
  ScalarLeafsRule,
  KnownArgumentNamesRule,
  ProvidedRequiredArgumentsRule,
  ValuesOfCorrectTypeRule,
];

/** Where a fault is: the operation, the fields by their aliases, then the argument. */
function pathTo(ancestors: readonly (ASTNode | readonly ASTNode[])[], node: ASTNode): string[] {
  return [...ancestors, node].flatMap((each) => {
    if (!('kind' in each)) return [];
    if (each.kind === 'OperationDefinition')
      return [[each.operation, each.name?.value ?? ''].join(' ').trim()];
    if (each.kind === 'FragmentDefinition') return [`fragment ${each.name.value}`];
    if (each.kind === 'Field') return [each.alias?.value ?? each.name.value];
    return each.kind === 'Argument' || each.kind === 'ObjectField' ? [each.name.value] : [];
  });
}

/** The texts are those of graphql-ruby's static validation. */
function rubyRule(context: ValidationContext): ASTVisitor {
  /** Of arguments whose fault is told of a field inside. */
  const told = new Set<ASTNode>();
  let field: FieldNode | undefined;

  function report(
    node: ASTNode,
    ancestors: readonly (ASTNode | readonly ASTNode[])[],
    message: string,
    extensions: Record<string, string>,
  ) {
    context.reportError(
      new GraphQLError(message, { nodes: node, path: pathTo(ancestors, node), extensions }),
    );
  }

  return {
    Field(node, _key, _parent, _path, ancestors) {
      field = node;
      const name = node.name.value;
      const parent = context.getParentType();
      if (!parent) return;
      const definition = context.getFieldDef();
      if (!definition) {
        const more = { code: 'undefinedField', typeName: parent.name, fieldName: name };
        report(node, ancestors, `Field '${name}' doesn't exist on type '${parent.name}'`, more);
        return;
      }
      const type = getNamedType(definition.type);
      const more = { code: 'selectionMismatch', nodeName: `field '${name}'`, typeName: type.name };
      if (isLeafType(type) && node.selectionSet) {
        report(node, ancestors, `Selections can't be made on scalars (field '${name}')`, more);
      }
      if (!isLeafType(type) && !node.selectionSet) {
        const hint = `Did you mean '${name} { ... }'?`;
        const text = `Field must have selections (field '${name}' returns ${type.name} but has no selections. ${hint})`;
        report(node, ancestors, text, more);
      }
      const given = new Set(node.arguments?.map((argument) => argument.name.value));
      const missing = definition.args.filter((each) => isRequiredArgument(each) && !given.has(each.name));
      if (missing.length > 0) {
        const names = missing.map((each) => each.name).join(', ');
        report(node, ancestors, `Field '${name}' is missing required arguments: ${names}`, {
          code: 'missingRequiredArguments',
          className: 'Field',
          name,
          arguments: names,
        });
      }
    },
    // graphql-js would take it; for Shopify's parser it is no syntax.
    SelectionSet(node) {
      if (node.selections.length > 0) return;
      context.reportError(new GraphQLError('syntax error, unexpected RCURLY ("}")', { nodes: node }));
    },
    ObjectField(node, _key, _parent, _path, ancestors) {
      const parent = getNamedType(context.getParentInputType());
      if (!parent || context.getInputType()) return;
      const name = node.name.value;
      for (const each of ancestors) if ('kind' in each && each.kind === 'Argument') told.add(each);
      report(node, ancestors, `InputObject '${parent.name}' doesn't accept argument '${name}'`, {
        code: 'argumentNotAccepted',
        name: parent.name,
        typeName: 'InputObject',
        argumentName: name,
      });
    },
    Argument: {
      leave(node, _key, _parent, _path, ancestors) {
        const on = field?.name.value;
        if (on === undefined || context.getDirective() || told.has(node)) return;
        const name = node.name.value;
        const definition = context.getArgument();
        if (!definition) {
          const more = { code: 'argumentNotAccepted', name: on, typeName: 'Field', argumentName: name };
          report(node, ancestors, `Field '${on}' doesn't accept argument '${name}'`, more);
          return;
        }
        let fits = true;
        validateInputLiteral(node.value, definition.type, () => {
          fits = false;
        });
        if (fits) return;
        const value = `an invalid value (${print(node.value)}). Expected type '${definition.type}'.`;
        const more = { code: 'argumentLiteralsIncompatible', typeName: 'Field', argumentName: name };
        report(node, ancestors, `Argument '${name}' on Field '${on}' has ${value}`, more);
      },
    },
  };
}

/** What else is wrong with a document is told as graphql-js has it, without a code. */
export const RULES: readonly ValidationRule[] = [
  rubyRule,
  ...specifiedRules.filter((rule) => !TOLD_OTHERWISE.includes(rule)),
];
