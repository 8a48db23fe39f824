// A wrong answer in a self-check invites another try; the right one and its explanation are shown to who asks for them.
// mkdocs-quiz says how an answer was by what it puts into `.quiz-feedback`; the style sheet hides what is not open.
for (const quiz of document.querySelectorAll(".quiz")) {
  const feedback = quiz.querySelector(".quiz-feedback");
  const explanation = quiz.querySelector("section.content");
  const ask = document.createElement("button");
  ask.type = "button";
  ask.className = "quiz-button show-answer";
  ask.textContent = "Show the answer";

  const open = () => {
    quiz.toggleAttribute("data-open", true);
    ask.remove();
  };
  const follow = () => {
    const answered = !feedback.classList.contains("hidden");
    const wrong = answered && feedback.querySelector(".incorrect");
    if (!answered) quiz.removeAttribute("data-open");
    if (answered && !wrong) open();
    else if (wrong && !quiz.hasAttribute("data-open")) feedback.after(ask);
    else ask.remove();
  };
  ask.addEventListener("click", () => {
    for (const right of quiz.querySelectorAll("input[data-correct]")) right.parentElement.classList.add("correct");
    open();
    if (explanation) {
      explanation.tabIndex = -1;
      explanation.focus();
    }
  });
  new MutationObserver(follow).observe(feedback, { attributes: true, childList: true });
  follow();
}
