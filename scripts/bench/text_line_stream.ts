/** Cuts a stream of text into its lines. */
export class TextLineStream extends TransformStream<string, string> {
  /** Creates a stream that holds back what is not yet a whole line. */
  constructor() {
    let rest = "";
    super({
      transform(text, controller) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
    });
  }
}
