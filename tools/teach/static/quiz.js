// Marks the quiz on its page. Answers stay in the page: nothing is stored, nothing is sent.
document.querySelector("form.quiz").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  let right = 0;
  for (const question of form.querySelectorAll("fieldset")) {
    const chosen = question.querySelector("input:checked");
    const said = question.querySelector(".said");
    const isRight = chosen?.value === question.dataset.answer;
    right += isRight;
    question.classList.toggle("right", isRight);
    question.classList.toggle("wrong", Boolean(chosen) && !isRight);
    said.textContent = chosen ? chosen.dataset.said : "Not answered.";
  }
  form.querySelector(".score").textContent = `${right} of ${form.dataset.count} right.`;
});
