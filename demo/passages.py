"""Short passages such as pupils of the first classes read aloud."""

HINDI = (
    "मेरा घर नदी के पास है। वहाँ बहुत सारे पेड़ हैं।",
    "सुबह माँ ने मुझे जल्दी जगाया। मैं नहाकर स्कूल गया।",
    "राधा के पास एक छोटी बकरी है। वह हरी घास खाती है।",
    "आज बहुत बारिश हुई। हमने काग़ज़ की नाव बनाई।",
    "दादी हमें रात को कहानी सुनाती हैं। हम चुपचाप सुनते हैं।",
    "मेले में मैंने लाल गुब्बारा लिया। भाई ने मिठाई खाई।",
    "किसान खेत में काम करता है। उसके पास दो बैल हैं।",
    "हमारे स्कूल में एक बड़ा मैदान है। हम वहाँ खेलते हैं।",
    "चिड़िया ने पेड़ पर घोंसला बनाया। उसमें तीन अंडे हैं।",
    "मोहन की साइकिल नीली है। वह उससे बाज़ार जाता है।",
    "गाँव के तालाब में कमल खिले हैं। बच्चे उन्हें देखते हैं।",
    "पिताजी शहर से एक किताब लाए। उसमें सुंदर चित्र हैं।",
)

ENGLISH = (
    "My house is near the river. There are many trees around it.",
    "In the morning my mother woke me up. I walked to school.",
    "Radha has a small goat. It likes to eat green grass.",
    "It rained a lot today. We made boats out of paper.",
    "At night our grandmother tells us a story. We listen to her.",
    "I bought a red balloon at the fair. My brother ate sweets.",
    "The farmer works in his field. He has two strong bulls.",
    "Our school has a big playground. We play there every day.",
    "A bird made a nest in the tree. There are three eggs in it.",
    "Mohan has a blue bicycle. He rides it to the market.",
    "The pond in our village is full of flowers. We like to see it.",
    "Father brought a book from the city. It has lovely pictures.",
)
