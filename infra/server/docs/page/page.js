/* global SwaggerUIBundle */

// The viewer's style sheet has dark colours, but leaves it to the page when.
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

/** JSON text with line breaks and indentation, and with each number as it stands in the text. */
function indented(text) {
  // Without it a number goes through JavaScript's own, which would show 1.0 as 1 and long integers with other digits.
  if (!JSON.rawJSON) return text;
  try {
    const value = JSON.parse(text, (_name, member, { source }) =>
      typeof member === 'number' ? JSON.rawJSON(source) : member,
    );
    return JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

/** Shows the body of a response verbatim if it is JSON. */
function verbatimBody(Original, { React, getComponent }) {
  return function ResponseBody(props) {
    const { content, contentType } = props;
    if (typeof content !== 'string' || !/json/i.test(contentType))
      return React.createElement(Original, props);
    const HighlightCode = getComponent('HighlightCode', true);
    const look = { language: 'json', downloadable: true, fileName: 'answer.json', canCopy: true };
    return React.createElement(
      'div',
      null,
      React.createElement('h5', null, 'Response body'),
      React.createElement(HighlightCode, look, indented(content)),
    );
  };
}

/**
 * A documented response in one row: status, description, and a button that shows its example, schema and headers. All
 * responses have much the same headers and failures much the same body, so only a success is open from the start.
 */
function collapsible(Original, { React, getComponent }) {
  return function Response(props) {
    const { code, className, response } = props;
    const [open, setOpen] = React.useState(code < '400');
    const Markdown = getComponent('Markdown', true);
    const toggle = {
      type: 'button',
      className: 'btn response-toggle',
      'aria-expanded': open,
      'aria-label': `Details of ${code}`,
      onClick: () => setOpen(!open),
    };
    return React.createElement(
      React.Fragment,
      null,
      React.createElement(
        'tr',
        { className: `response ${className ?? ''}` },
        React.createElement('td', { className: 'response-col_status' }, code),
        React.createElement(
          'td',
          { className: 'response-col_description' },
          React.createElement('button', toggle, 'Details'),
          React.createElement(Markdown, { source: response.get('description') }),
        ),
      ),
      open &&
        React.createElement(Original, {
          ...props,
          className: 'response-details',
          response: response.delete('description'),
        }),
    );
  };
}

/** The path of an operation as text: the viewer's is a link inside of the button that opens the operation. */
function plainText(_Original, { React }) {
  return ({ text }) => React.createElement('span', null, text);
}

/** Adds attributes that the viewer's elements lack, for keyboards and screen readers. */
function withAttributes(selector, attributes) {
  return (Original, { React }) =>
    function WithAttributes(props) {
      const ref = React.useRef(null);
      React.useEffect(() => {
        for (const element of ref.current.querySelectorAll(selector)) {
          for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        }
      });
      return React.createElement(
        'div',
        { ref, className: 'with-attributes' },
        React.createElement(Original, props),
      );
    };
}

const scrollable = withAttributes('pre', { tabindex: '0' });

const plugin = {
  wrapComponents: {
    responseBody: verbatimBody,
    response: collapsible,
    DeepLink: plainText,
    ExamplesSelect: withAttributes('select', { 'aria-label': 'Example' }),
    TextArea: withAttributes('textarea', { 'aria-label': 'Request body' }),
    // A schema without a title has a button without a text.
    JSONSchema202012Accordion: withAttributes('button:has(.json-schema-2020-12-accordion__children:empty)', {
      'aria-label': 'Schema',
    }),
    HighlightCode: scrollable,
    curl: scrollable,
  },
};

SwaggerUIBundle({
  dom_id: '#docs',
  url: '/openapi.json',
  // The viewer's own is a service on the internet.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // The schemas stand with the operations that they belong to.
  defaultModelsExpandDepth: -1,
  // The default theme's numbers have too little contrast.
  syntaxHighlight: { theme: 'tomorrow-night' },
  plugins: [plugin],
});
